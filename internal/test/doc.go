// Package test contains the packages that only tests and developers use. A check in source_test.go refuses any other import of
// them.
//
// Fixtures for most tests:
//   - kit: waiting, counting, connections in memory, and other processes
//   - vendortest: handlers of every vendor, and senders to them; lossless compares their events with bodies
//   - signtest: signature schemes, the reference vectors, and deliveries with one known mistake each
//   - inboxkit: a handler with an inbox, and what tests of all inboxes share
//   - memorybox: an inbox for operators, in memory; pagekit: serves the web page
//   - internal/logtest, which ships with inboxtest: captured logs
//
// Servers and processes:
//   - pgtest, redistest: private PostgreSQL and Redis servers
//   - npmtest: JavaScript packages
//   - crashtest: receivers that are killed and replaced, with the invariants that must then hold
//
// Tools:
//   - benchpair: two things in one benchmark
//   - readme: compiles the programs of the README
//   - mutate: a mutation tester
package test
