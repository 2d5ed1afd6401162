//go:build race

package signature_test

// Under the race detector a sync.Pool drops what is put into it at random.
func init() { raceEnabled = true }
