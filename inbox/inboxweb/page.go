// Package inboxweb serves a web page for the operators of an inbox, as a part of your service.
//
// The page lists the entries of an inbox with their outcomes, draws what arrived in the last hours, and updates itself.
// Visitors who may do so retry, rerun and discard one entry or all that the filters select, and pause callbacks. Mount the
// page below any path of a server that has a login:
//
//	page, err := inboxweb.New(box, inboxweb.Options{
//		Visitor: func(r *http.Request) (string, error) { return sessions.User(r) },
//		May:     func(r *http.Request, visitor string, action inbox.Action) bool { return roles.IsOperator(visitor) },
//	})
//	...
//	http.Handle("/ops/inbox/", http.StripPrefix("/ops/inbox", page))
//
// The inbox is that of an engine. The service that runs its callbacks may be the same process or another.
//
// # Safety
//
// The page is safe behind a login that uses cookies. It needs no tokens against cross-site requests:
//
//   - Each request asks Options.Visitor, and each change also asks Options.May. An open page notices within ten seconds that its
//     visitor has logged out.
//   - It refuses requests of other sites, both reads and writes. Only links to the page are allowed.
//   - Its Content-Security-Policy lets the browser run, load and contact only the page itself. Other pages cannot frame it,
//     and neither browsers nor proxies cache it.
//   - It shows every payload as text, and marks characters that would reorder or hide others.
//
// Each change is in the audit of the inbox, with the visitor and the reason that the visitor has typed.
//
// Visitors of the page see the bodies and headers of all deliveries. The service must use TLS, or a proxy in front of it.
// The proxy may have another host name and path. It must not change the headers Origin and Sec-Fetch-Site.
package inboxweb

import (
	"cmp"
	"errors"
	"log/slog"
	"net/http"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
	"github.com/aihooks/aihooks-go/internal/page"
)

// Options are the options of [New]. Visitor is required. The zero value of any other field means its default.
type Options struct {
	// Visitor returns the name of the visitor, such as the user of a session. The name is recorded with the visitor's
	// changes. If Visitor returns an error, the response has status 403. To redirect to a login instead, wrap the page in a
	// handler that does so.
	//
	// Visitor is called for every request. For the event stream of an open page, it is called again every ten seconds, with
	// the request that opened the stream.
	Visitor func(r *http.Request) (string, error)

	// May reports whether a visitor may perform an action. The page offers only what May allows. If it is nil, the page is
	// read-only. May is called often, so it must be fast.
	May func(r *http.Request, visitor string, action inbox.Action) bool

	// Title is the title of the page. Defaults to "inbox".
	Title string

	// Logger logs errors of the inbox. The default is slog.Default().
	Logger *slog.Logger
}

// New returns a handler that serves a page for an inbox. It returns an error if the inbox or a required option is missing.
//
// An open page has an event stream, and http.Server.Shutdown would wait for it. End the context of the server's BaseContext
// first. The server's ReadTimeout and WriteTimeout do not end the stream.
func New(box inbox.Operator, o Options) (http.Handler, error) {
	if box == nil {
		return nil, errors.New("inboxweb: the inbox must not be nil")
	}
	if o.Visitor == nil {
		return nil, errors.New("inboxweb: Options.Visitor must not be nil")
	}
	mount := page.MountOptions{Visitor: o.Visitor, Logger: o.Logger}
	if o.May != nil {
		mount.May = func(r *http.Request, visitor, action string) bool { return o.May(r, visitor, inbox.Action(action)) }
	}
	return page.NewMounted(inboxsource.New(box, cmp.Or(o.Title, "inbox")), mount)
}
