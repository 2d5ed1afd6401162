// Package idempotency keeps two runs of the same work from both taking effect.
//
// A [Store] remembers keys: which are being worked on, under a lease, and which are done. A [Guard] puts a store
// around work: it claims the keys, runs the work, and completes or releases them.
//
// The package knows neither HTTP nor any sender of webhooks.
package idempotency
