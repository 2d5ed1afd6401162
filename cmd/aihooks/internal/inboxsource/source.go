// Package inboxsource shows an SQLite inbox on the page, while the service runs or not: it is the [page.Source] of aihooks
// inbox --web.
package inboxsource

import "github.com/aihooks/aihooks-go/inbox/sqlite"

// A Source shows an inbox.
type Source struct {
	box   *sqlite.Inbox
	title string
}

// New returns a source over an inbox, which the caller closes after the page's server. The title is that of the page: the
// file's name.
func New(box *sqlite.Inbox, title string) *Source { return &Source{box: box, title: title} }
