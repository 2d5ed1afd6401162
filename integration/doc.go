// Package integration has tests that need more than the library requires: database servers, message brokers, and other
// libraries to compare with. They share one module, so that no user's module graph has those requirements in it.
//
//   - sqlstore tests idempotency/sqlstore on PostgreSQL and SQLite.
//   - jetstream tests inbox/jetstream on NATS servers.
//   - operator tests that an operator sees and does the same with every engine.
//   - bench measures the library next to handlers by hand and to other libraries, with "make bench".
//   - peers runs the vectors of signature/testdata against other libraries.
//   - vectors tests the Python programs of signature/testdata.
//   - servers tests the database servers that the other tests start.
//   - leaks looks for leaked goroutines with goleak.
//   - monitoring runs docs/monitoring on a Prometheus that scrapes examples/receiver.
//   - pictures takes the pictures of the README.
package integration
