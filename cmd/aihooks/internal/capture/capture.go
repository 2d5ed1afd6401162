// Package capture is a delivery on disk: what listen saves, and what explain and replay read. It has the request as it came,
// byte for byte, and what became of it, as one JSON file that people can read. It has no credential.
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

	// Method, Header and Body are the request's. The URL is not in it: a credential may ride there. Nor are the headers
	// that carry one.
	Method string      `json:"method"`
	Header http.Header `json:"header"`
	Body   []byte      `json:"-"`

	// Outcome, Reason, Status and Explanation say what the listener made of it; Type and ID, what it is.
	Outcome     string `json:"outcome,omitempty"`
	Reason      string `json:"reason,omitempty"`
	Status      int    `json:"status,omitempty"`
	Explanation string `json:"explanation,omitempty"`
	Type        string `json:"type,omitempty"`
	ID          string `json:"id,omitempty"`
}

// Accepted reports whether the listener found the delivery authentic and fresh. It is false without an outcome. A stranger
// may have written a delivery that was not accepted.
func (c *Capture) Accepted() bool {
	switch webhook.Outcome(c.Outcome) {
	case webhook.Handled, webhook.Stored, webhook.Duplicate, webhook.DeadLettered, webhook.Dropped:
		return true
	case webhook.Ignored:
		return c.Reason != string(webhook.ReasonEndpointCheck)
	case webhook.Unhandled: // a type without documentation is not refused for its time
		return c.Reason != string(webhook.ReasonNoTime) && c.Reason != string(webhook.ReasonStale)
	default:
		return false
	}
}

// file is how a capture is written: the body as text where it is text, so that it can be read and edited.
type file struct {
	*fields
	Text   *string `json:"body,omitempty"`
	Binary []byte  `json:"body_base64,omitempty"`
}

type fields Capture

// credentials are headers that are not kept: those that have a credential, and those in which proxies write the URL.
var credentials = []string{
	"Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key", "X-Auth-Token", "X-Forwarded-Authorization",
	"Forwarded", "Referer", "X-Envoy-Original-Path", "X-Forwarded-Path", "X-Forwarded-Uri", "X-Forwarded-Url", "X-Original-Uri",
	"X-Original-Url", "X-Replaced-Path", "X-Request-Uri", "X-Rewrite-Url",
}

// Header returns a copy of h without the credentials, and without any header that has one of the secrets in it. Blank secrets
// are none.
func Header(h http.Header, secrets ...string) http.Header {
	h = h.Clone()
	for _, name := range credentials {
		h.Del(name)
	}
	all := joined(h)
	for _, secret := range secrets {
		escaped := url.PathEscape(secret)
		has := func(text string) bool { return strings.Contains(text, secret) || strings.Contains(text, escaped) }
		if strings.TrimSpace(secret) == "" || !has(all) { // a stranger may send thousands of headers, and of what may be secrets
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

// joined returns all values of headers in one text.
func joined(h http.Header) string {
	var b strings.Builder
	for _, values := range h {
		for _, value := range values {
			b.WriteString(value + "\n")
		}
	}
	return b.String()
}

// MarshalJSON writes the body as text if it is text, and escapes do not make that much longer.
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

// allowedEscapes is how many bytes escapes may always add to a body.
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

// Parse reads a capture.
func Parse(text []byte) (*Capture, error) {
	c := new(Capture)
	if err := json.Unmarshal(text, c); err != nil {
		return nil, fmt.Errorf("is not a capture: %w", err)
	}
	if c.Vendor == "" {
		return nil, errors.New("is not a capture: it names no vendor")
	}
	header := make(http.Header, len(c.Header)) // whoever edits it writes names as they like
	for name, values := range c.Header {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	c.Header = header
	return c, nil
}

var unsafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Save writes the capture into a folder, which is made if it is not there, and returns the file's path. Only its owner can
// read it; on Windows, those who can read the folder. Names sort by when the deliveries arrived. What cannot be written whole is not left behind.
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
			path = filepath.Join(folder, fmt.Sprintf("%s_%02d.json", stem, n)) // after the first, where names are sorted
		}
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the folder is the user's, the name has none of the sender's slashes
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
