// Package idempotency prevents the same work from taking effect twice.
//
// A [Store] remembers keys: those in flight, under a lease, and those that are completed. A [Guard] uses a store to run
// work once. It claims the keys, runs the work, and completes or releases the keys.
//
// The package is independent of HTTP and of the senders of webhooks.
package idempotency
