package signtest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// A Sender signs deliveries correctly, by a scheme.
type Sender struct {
	Scheme signature.Scheme
	Form   string // if empty, the scheme's first form
	Now    time.Time
}

// A Delivery is what the receiver gets, and what it verifies with.
type Delivery struct {
	Scheme   signature.Scheme
	Given    string // the receiver's secret
	Previous string // the receiver's previous secret
	Signing  string // the sender's secret
	Header   http.Header
	Body     []byte
	Declared int64
	NotAfter time.Time // of the receiver's key
}

// A Case is one mistake, and its explanation.
type Case struct {
	Name  string
	Cause diagnose.Cause
	Says  string // a part of the text

	// Make returns nil if the mistake does not apply to the sender's scheme.
	Make func(s *Sender) *Delivery

	// Unseen reports that a handler detects the mistake in another way, or not at all.
	Unseen bool
}

// OddSecret is the secret of all cases without a mistake in the secret. All encodings of base64 differ for its bytes.
const OddSecret = "the secret \xfb\xff\xfe with odd bytes 7c1d"

// Body is the body of all cases without a mistake in the body.
const Body = `{"type":"ping","id":"evt_marker","data":{"text":"Zq7-payload-Xw3"}}`

// Cases returns deliveries with one known mistake each, for tests of package diagnose. They know no vendor.
func Cases() []Case {
	return slices.Concat(headers(), times(), macs(), secrets(), bodies(), rewritten(), forms())
}

// Input returns the delivery as the input of diagnose.Explain.
func (d *Delivery) Input() (diagnose.Input, error) {
	first := d.Given
	if d.Previous != "" {
		first = d.Previous
	}
	ring, err := signature.NewKeyring(d.Scheme, signature.Key{Name: "default", Secret: signature.NewSecret(first), NotAfter: d.NotAfter})
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

// arrives returns a case in which sent is signed, and arrived is received.
func arrives(name string, c diagnose.Cause, says, sent, arrived string) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(OddSecret, []byte(sent))
		d.Body, d.Declared = []byte(arrived), int64(len(arrived))
		return d
	}}
}

// gives returns a case in which the sender signs with one secret, and the receiver has another.
func gives(name string, c diagnose.Cause, says, signing, given string) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(signing, []byte(Body))
		d.Given = given
		return d
	}}
}

// changes returns a case in which change is applied to a correct delivery.
func changes(name string, c diagnose.Cause, says string, change func(s *Sender, d *Delivery)) Case {
	return Case{Name: name, Cause: c, Says: says, Make: func(s *Sender) *Delivery {
		d := s.Send(OddSecret, []byte(Body))
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
			for _, name := range f.Covers() {
				text.WriteString(h.Get(name) + ".")
			}
			break
		}
	}
	return text.String()
}
