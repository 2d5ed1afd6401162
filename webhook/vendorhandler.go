package webhook

import (
	"context"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A VendorHandler is a handler of any vendor: a [*Handler], or the *Handler of a vendor's package, which embeds one. Use it for
// code that serves several vendors. Its methods are those of [Handler].
type VendorHandler interface { //nolint:interfacebloat // those of Handler
	http.Handler
	Vendor() string
	Endpoint() string
	Handles(eventType string) bool
	Before(fn func(context.Context, *Delivery) error)
	OnEvent(fn func(context.Context, AnyEvent) error)
	OnUnhandled(fn func(context.Context, *Delivery) error)
	Process(ctx context.Context, r Request) Result
	Redeliver(ctx context.Context, d *Delivery) Result
	Explain(r Request, now time.Time) diagnose.Explanation
	Shutdown(ctx context.Context) error
}

var _ VendorHandler = (*Handler)(nil)
