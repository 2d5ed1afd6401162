package inboxkit

import (
	"context"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Fake is a handler that is a function. It handles every type of event.
type Fake struct {
	VendorName   string
	EndpointName string                                                        // defaults to "default"
	Callback     func(ctx context.Context, d *webhook.Delivery) webhook.Result // if nil, every delivery is handled
}

// Vendor returns VendorName.
func (f Fake) Vendor() string { return f.VendorName }

// Endpoint returns EndpointName.
func (f Fake) Endpoint() string {
	if f.EndpointName == "" {
		return "default"
	}
	return f.EndpointName
}

// Handles returns true.
func (f Fake) Handles(string) bool { return true }

// Redeliver calls the callback.
func (f Fake) Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result {
	if f.Callback == nil {
		return webhook.Result{Outcome: webhook.Handled}
	}
	return f.Callback(ctx, d)
}

// Calls returns a callback that calls f and handles the delivery.
func Calls(f func()) func(context.Context, *webhook.Delivery) webhook.Result {
	return func(context.Context, *webhook.Delivery) webhook.Result {
		f()
		return webhook.Result{Outcome: webhook.Handled}
	}
}
