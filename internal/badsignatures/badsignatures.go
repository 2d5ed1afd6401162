// Package badsignatures makes deliveries that are refused for one known cause, for tests of package diagnose. It knows no
// vendor.
package badsignatures

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A Sender sends by a scheme, and makes no mistake itself.
type Sender struct {
	Scheme signature.Scheme
	Form   string // empty: the scheme's first
	Now    time.Time
}

// A Delivery is what arrived, and what it is judged by.
type Delivery struct {
	Scheme   signature.Scheme
	Given    string // the secret that the receiver was given
	Previous string // one that it was given before
	Signing  string // the one that the sender signs with
	Header   http.Header
	Body     []byte
	Declared int64
}

// A Case is a mistake that is made, and how it is explained.
type Case struct {
	Name  string
	Cause diagnose.Cause
	Says  string // a part of the text

	// Make returns nil where the mistake cannot be made with the sender's scheme.
	Make func(s *Sender) *Delivery

	// Unseen says that a handler sees it in another way, or not at all.
	Unseen bool
}

// Secret is what is signed with, unless that is the mistake. Its bytes have a length and values for which the encodings
// of base64 all differ.
const Secret = "the secret \xfb\xff\xfe with odd bytes 7c1d"

// Body is what is sent, unless that is the mistake.
const Body = `{"type":"ping","id":"evt_marker","data":{"text":"Zq7-payload-Xw3"}}`

// All returns the cases.
func All() []Case {
	return slices.Concat(headers(), times(), macs(), secrets(), bodies(), rewritten(), forms())
}

// Question returns the delivery as diagnose.Explain is asked about it.
func (d *Delivery) Input() (diagnose.Input, error) {
	first := d.Given
	if d.Previous != "" {
		first = d.Previous
	}
	ring, err := signature.NewKeyring(signature.NewKey("default", first))
	if err == nil && d.Previous != "" {
		err = ring.Set(signature.NewKey("default", d.Given))
	}
	return diagnose.Input{Scheme: d.Scheme, Keys: ring, Header: d.Header, Body: d.Body, Declared: d.Declared}, err
}

// Send returns a delivery without a mistake.
func (s *Sender) Send(secret string, body []byte) *Delivery {
	return s.send(secret, body, strconv.FormatInt(s.Now.Unix(), 10))
}

func (s *Sender) send(secret string, body []byte, stamp string) *Delivery {
	d := &Delivery{Scheme: s.Scheme, Given: secret, Signing: secret, Header: make(http.Header), Body: body, Declared: int64(len(body))}
	for _, f := range s.Scheme.Fields {
		if f.Grammar == signature.UnixTime {
			d.Header.Set(f.Header, stamp)
		} else {
			d.Header.Set(f.Header, "dlv_1")
		}
	}
	if err := s.Scheme.Sign(signature.NewKey("default", secret), s.Form, d.Header, body); err != nil {
		panic(err)
	}
	return d
}

// arrives is a mistake with a body: sent is signed, and arrived is what comes of it.
func arrives(name string, c diagnose.Cause, says, sent, arrived string) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(Secret, []byte(sent))
		d.Body, d.Declared = []byte(arrived), int64(len(arrived))
		return d
	}}
}

// gives is a mistake with a secret: the sender signs with one, and the receiver was given another.
func gives(name string, c diagnose.Cause, says, signing, given string) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(signing, []byte(Body))
		d.Given = given
		return d
	}}
}

// changes is a mistake with a header.
func changes(name string, c diagnose.Cause, says string, change func(s *Sender, d *Delivery)) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(Secret, []byte(Body))
		change(s, d)
		return d
	}}
}

func (c Case) unseen() Case {
	c.Unseen = true
	return c
}

// field returns the first header of that grammar.
func (s *Sender) field(g signature.Grammar) (string, bool) {
	for _, f := range s.Scheme.Fields {
		if f.Grammar == g {
			return f.Header, true
		}
	}
	return "", false
}

// covered returns the values of the headers that are signed, each with its dot.
func (s *Sender) covered(h http.Header) string {
	var text strings.Builder
	for _, f := range s.Scheme.Forms {
		if f.Name == s.Form || s.Form == "" {
			for _, name := range f.Covers {
				text.WriteString(h.Get(name) + ".")
			}
			break
		}
	}
	return text.String()
}
