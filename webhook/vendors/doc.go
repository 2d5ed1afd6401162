// Package vendors describes a vendor to package webhook. It is for the author of a vendor's package. Users of a vendor's
// package do not need it.
//
// A vendor is data, in a [Profile]: how it signs, the format of its bodies, when it retries, and the events that it
// documents. [github.com/aihooks/aihooks-go/webhook.NewHandler] makes a handler from the Profile and the [HandlerConfig] of
// one endpoint.
package vendors
