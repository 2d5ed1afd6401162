// Package redistest runs private Redis servers from the installed redis-server, for tests of what stands on Redis. They
// listen on loopback, keep their files in a temporary directory, fsync every write, and die with the process that
// started them. The package is for Unix only: Redis does not run on Windows.
package redistest
