// Package capture stores a delivery in a file: listen saves it, and explain and replay read it. The file is readable JSON. It has
// the request, with the body byte for byte, and the outcome. It has no credentials.
package capture

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/visible"
	"github.com/aihooks/aihooks-go/webhook"
)

// A Capture is a delivery that arrived.
type Capture struct {
	Vendor  string    `json:"vendor"`
	Arrived time.Time `json:"arrived"`

	// Method, Header and Body are those of the request. The URL is omitted, because it may contain a credential. So are
	// headers that contain one.
	Method string      `json:"method"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"-"`

	// Outcome, Reason, Status and Explanation are the result of the listener. Type and ID are those of the delivery.
	Outcome     string `json:"outcome,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Status      int    `json:"status,omitempty"`
	Explanation string `json:"explanation,omitempty"`
	Type        string `json:"type,omitempty"`
	ID          string `json:"id,omitempty"`
}

// Accepted reports whether the listener found the delivery authentic and fresh. It returns false without an outcome. Anyone may
// have written a delivery that was not accepted.
func (c *Capture) Accepted() bool {
	switch webhook.Outcome(c.Outcome) {
	case webhook.Handled, webhook.Stored, webhook.Duplicate, webhook.DeadLettered, webhook.Dropped:
		return true
	case webhook.Ignored:
		return c.Reason != string(webhook.ReasonEndpointCheck)
	case webhook.Unhandled: // an undocumented type is unhandled even if its time is missing or stale
		return c.Reason != string(webhook.ReasonNoTime) && c.Reason != string(webhook.ReasonStale)
	default:
		return false
	}
}

// file is the JSON form of a capture. A body that is text is written as text, so that users can read and edit it.
type file struct {
	*fields
	Text   *string `json:"body,omitempty"`
	Binary []byte  `json:"body_base64,omitempty"`
}

type fields Capture

// credentials are headers that are removed, because they contain a credential, or the URL as proxies forward it.
var credentials = []string{
	"Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "X-Forwarded-Authorization",
	"Forwarded", "Referer", "X-Envoy-Original-Path", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Original-Uri",
	"X-Original-Url", "X-Replaced-Path", "X-Request-Uri", "X-Rewrite-Url",
}

// Header returns a copy of h without credentials, and without headers that contain one of the secrets. It skips blank secrets.
func Header(h http.Header, secrets ...string) http.Header {
	h = h.Clone()
	for _, name := range credentials {
		h.Del(name)
	}
	all := joined(h)
	for _, secret := range secrets {
		escaped := url.PathEscape(secret)
		has := func(text string) bool { return strings.Contains(text, secret) || strings.Contains(text, escaped) }
		if strings.TrimSpace(secret) == "" || !has(all) { // a sender may send thousands of headers and URL segments
			continue
		}
		for name, values := range h {
			if slices.ContainsFunc(values, has) {
				delete(h, name)
			}
		}
		all = joined(h)
	}
	return h
}

// joined returns all values of the headers as one text.
func joined(h http.Header) string {
	var b strings.Builder
	for _, values := range h {
		for _, value := range values {
			b.WriteString(value + "\n")
		}
	}
	return b.String()
}

// MarshalJSON writes the body as text if it is UTF-8, and escapes do not make it much longer. Otherwise, it writes base64.
func (c *Capture) MarshalJSON() ([]byte, error) {
	f := file{fields: (*fields)(c)}
	text := string(c.Body)
	escaped, err := json.Marshal(text)
	if err == nil && utf8.ValidString(text) && len(visible.JSON(escaped)) <= 2*len(text)+allowedEscapes {
		f.Text = &text
	} else {
		f.Binary = c.Body
	}
	return json.Marshal(f)
}

// allowedEscapes is how many bytes escapes may add to a body of any length.
const allowedEscapes = 4 << 10

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Capture) UnmarshalJSON(text []byte) error {
	f := file{fields: (*fields)(c)}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	switch {
	case f.Text != nil && f.Binary != nil:
		return errors.New("there is a body and a body_base64")
	case f.Text != nil:
		c.Body = []byte(*f.Text)
	default:
		c.Body = f.Binary
	}
	return nil
}

// Parse parses a capture. Its errors begin with a verb, for use after a file name.
func Parse(text []byte) (*Capture, error) {
	c := new(Capture)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("is not a capture: %w", err)
	}
	if c.Vendor == "" {
		return nil, errors.New("is not a capture: it has no vendor")
	}
	header := make(http.Header, len(c.Header)) // users may edit the names
	for name, values := range c.Header {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	c.Header = header
	return c, nil
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Save writes the capture to a new file in a folder, and returns its path. It creates the folder if necessary. Only the owner
// can read the file; on Windows, everyone who can read the folder can. File names sort by time of arrival. If writing fails, Save
// removes the file.
func (c *Capture) Save(folder string) (string, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return "", err
	}
	event := unsafe.ReplaceAllString(cmp.Or(c.Type, "unknown"), "_")
	stem := fmt.Sprintf("%s-%s-%.60s", c.Arrived.UTC().Format("20060102T150405.000000"), c.Vendor, event)
	for n := 1; ; n++ {
		path := filepath.Join(folder, stem+".json")
		if n > 1 {
			path = filepath.Join(folder, fmt.Sprintf("%s_%02d.json", stem, n)) // sorts after the first
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the user chose the folder, and unsafe removes slashes from the name
		if errors.Is(err, os.ErrExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		_, err = f.Write(append(visible.JSON(text), '\n'))
		if err = errors.Join(err, f.Close()); err != nil {
			return "", errors.Join(err, os.Remove(path))
		}
		return path, nil
	}
}
