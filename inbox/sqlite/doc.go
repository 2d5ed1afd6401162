// Package sqlite is the [inbox] for one machine: an SQLite file, in pure Go, with nothing to operate.
package sqlite
