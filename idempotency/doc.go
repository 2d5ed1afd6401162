// Package idempotency prevents the same work from taking effect twice.
//
// A key identifies the work. A [Store] remembers which keys are in flight and which are completed. A key in flight is claimed
// for a limited time, the lease, and no other caller can claim it until then. A completed key cannot be claimed. A [Guard]
// uses a store to run work once. It claims the keys, and runs the work. Then it completes the keys, or releases them if the
// work failed. Work that takes longer than its lease needs a store that is a [Renewer].
//
// The package is independent of HTTP and of the senders of webhooks.
package idempotency
