package page

import (
	"errors"
	"log/slog"
	"net/http"
	"path"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
)

// MountOptions are the options of [NewMounted]. Visitor is required. The zero value of any other field means its default.
type MountOptions struct {
	// Visitor returns the name of the visitor, or an error if the visitor must not see the page. The status is then 403. It
	// is called for every request, and again every ten seconds for an event stream.
	Visitor func(r *http.Request) (string, error)

	// May reports whether a visitor may perform an action. It is called for every action that the page offers or performs.
	// If it is nil, the page is read-only.
	May func(r *http.Request, visitor, action string) bool

	// Logger logs errors of the source. The default is slog.Default().
	Logger *slog.Logger
}

// NewMounted returns a handler that serves the page as a part of a server that knows its visitors. It works below any path, if
// that path is stripped from the request's URL. It returns an error that names the option if an option is invalid.
func NewMounted(source Source, o MountOptions) (http.Handler, error) {
	if o.Visitor == nil {
		return nil, errors.New("page: MountOptions.Visitor must not be nil")
	}
	s, err := newServer(source, o.Logger)
	if err != nil {
		return nil, err
	}
	s.may = func(r *http.Request, action string) bool {
		return o.May != nil && o.May(r, inbox.ActorFromContext(r.Context()).By, action)
	}
	s.check = func(r *http.Request) error {
		_, err := o.Visitor(r)
		return err
	}
	return protect(&visitors{next: s.mux, visitor: o.Visitor}, "/"), nil
}

// visitors refuses requests without a visitor, and passes the others to next with their visitor as [inbox.Actor].
type visitors struct {
	next    http.Handler
	visitor func(*http.Request) (string, error)
}

// ServeHTTP implements http.Handler.
func (v *visitors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, err := v.visitor(r)
	switch {
	case err != nil:
		http.Error(w, "You must not see this page, or you are logged out. Log in, and reload the page.", http.StatusForbidden)
	case r.URL.Path == "":
		requested, _, _ := strings.Cut(r.RequestURI, "?")
		// The page is requested without the slash at the end, to which its files are relative. "./" keeps the last element
		// of the path from being the scheme of another URL.
		w.Header().Set("Location", "./"+path.Base(requested)+"/")
		w.WriteHeader(http.StatusSeeOther)
	default:
		v.next.ServeHTTP(w, r.WithContext(inbox.WithActor(r.Context(), inbox.Actor{By: name})))
	}
}
