// Package vendors is for the author of a vendor's package: it describes a vendor to package webhook. Users of a vendor's
// package do not need it.
//
// A vendor is data: a [Profile], which says how the vendor signs, what its bodies look like, when it sends again, and which
// events it documents. [github.com/aihooks/aihooks-go/webhook.NewHandler] makes a handler of it, with the [HandlerConfig] of
// one endpoint.
package vendors
