// Package enginetest tests sqlstore on real engines: a PostgreSQL server of its own, and SQLite files. It is a module of
// its own because it needs their drivers.
//
// ENGINETEST_FULL=1 in the environment makes the crash test as long as the figures in its log want it.
package enginetest
