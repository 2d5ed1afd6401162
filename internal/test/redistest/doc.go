// Package redistest runs private Redis servers for tests, from the installed redis-server. They listen on loopback, keep
// their files in a temporary directory, and fsync every write. They end with the process that started them. The package
// requires Unix, because Redis does not run on Windows.
package redistest
