// Package enginetest tests package jetstreaminbox on real servers. It is a module of its own so that no user's module graph
// has the server in it.
package enginetest
