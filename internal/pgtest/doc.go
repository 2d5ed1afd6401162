// Package pgtest starts a PostgreSQL server of a test's own from the binaries that are installed: in a temporary
// directory, on a Unix socket in it, durable as a real one. It can be stopped, started again and paused, and is
// gone with all its files when the test process is, however that ends. It is for Unix only.
package pgtest
