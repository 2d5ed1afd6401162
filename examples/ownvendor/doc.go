// Package ownvendor shows how to receive from senders that aihooks has no package for. Each file has one sender: its Profile
// is data, and its events are your types. Retries, duplicates, stale and forged deliveries, explanations and the test kit
// then work as for the other vendors.
package ownvendor
