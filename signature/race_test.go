//go:build race

package signature_test

// The race detector makes sync.Pool drop items at random.
func init() { raceEnabled = true }
