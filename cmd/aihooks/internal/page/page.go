package page

import (
	"errors"
	"log/slog"
	"net/http"
)

// Options are the options of [New]. The zero value of each field stands for its default.
type Options struct {
	// Hosts are what a request's Host may be besides localhost, 127.0.0.1 and [::1] with the port that is listened on: a name,
	// or an address, with any port ("box.example") or with one ("box.example:9000"). Anything else is answered 403.
	Hosts []string

	// Token, if set, must be brought by each visitor once, as ?token= in the page's URL; a cookie has it from then on. For
	// listeners that others can reach. It is 16 characters or more, of those that need no escape in a URL.
	Token string

	// Logger gets what failed while the page was served. Defaults to slog.Default().
	Logger *slog.Logger
}

// New returns the page over a source, to be served at the root of a listener of its own. The error names the option that
// breaks a rule.
func New(source Source, o Options) (http.Handler, error) {
	return nil, errors.New("page: not there yet")
}

// Curl returns a command for a POSIX shell that sends the request as it came, byte for byte: the signature and its timestamp
// as well, so that a vendor's window refuses it once it is old.
func Curl(d *Detail) string { return "" }
