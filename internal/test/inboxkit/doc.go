// Package inboxkit has what the tests of all inboxes share.
//
//   - handler.go: Handler, a vendor's handler with an inbox and a sender to it
//   - fake.go: Fake, a handler that is a function
//   - inbox.go: Run, DeadLetters, NewDelivery
package inboxkit
