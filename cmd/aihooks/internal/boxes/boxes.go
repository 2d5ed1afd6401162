// Package boxes opens the inbox that a command line names, in any engine.
package boxes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
)

// A Box is an open inbox of a service. The service may be running or stopped.
type Box struct {
	inbox.Operator

	// Title names the inbox, without a password.
	Title string

	// Inspect looks for settings of the engine that can lose deliveries or keep it from taking them.
	Inspect func(ctx context.Context) ([]Fault, error)

	// Close releases the file or the connection.
	Close func() error
}

// A Fault is a setting that is not as the inbox needs it.
type Fault struct {
	Found, Fix string // sentences
	Severe     bool
}

// A Mode says what a command does with an inbox.
type Mode int

// The modes.
const (
	Look   Mode = iota // reads once
	Follow             // reads for a while
	Change             // changes entries
)

// An engine opens an inbox at an address, without the scheme.
type engine struct {
	scheme, form string
	open         func(ctx context.Context, address string, mode Mode) (*Box, error)
}

var engines = []engine{
	{"sqlite", "sqlite:FILE", openSQLite},
	{"river", "river:postgres://HOST/DB", openRiver},
	{"jetstream", "jetstream:nats://HOST", openJetStream},
}

// Forms are the addresses that Open accepts.
func Forms() string {
	var forms []string
	for _, e := range engines {
		forms = append(forms, e.form)
	}
	return strings.Join(forms, ", ")
}

// Open opens the inbox at an address such as "sqlite:inbox.db". An address without a scheme is a file of SQLite.
func Open(ctx context.Context, address string, mode Mode) (*Box, error) {
	scheme, rest, found := strings.Cut(address, ":")
	i := slices.IndexFunc(engines, func(e engine) bool { return e.scheme == scheme })
	switch {
	case found && i >= 0:
		return engines[i].open(ctx, rest, mode)
	case found && (strings.HasPrefix(rest, "//") || strings.Contains(rest, "://")):
		return nil, fmt.Errorf("%s:// is not an inbox; it must be %s", scheme, Forms()) // without the address, which may have a password
	default:
		return openSQLite(ctx, address, mode)
	}
}
