// Package kit has what the tests of most packages share: waiting, counting, and other processes.
//
//   - wait.go: Patience, Eventually, Quick, OnADay
//   - counter.go: Counter
//   - address.go, listener.go: FreeAddress, and PipeListener for connections in memory
//   - process.go, start.go: Main, and processes that run this test binary in a role
package kit
