// Package pgtest starts a private PostgreSQL server for tests from the installed binaries. The server listens on a Unix
// socket in a temporary directory, and is as durable as a production server. It can be stopped, started again and paused.
// When the test process ends in any way, the server ends and its files are removed. The package requires Unix.
package pgtest
