package diagnose

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"slices"

	"github.com/aihooks/aihooks-go/signature"
)

// budget is how many bytes an explanation may hash, including rewritten bodies.
const budget = 4 << 20

// macCost is the cost of a MAC in addition to its bytes, mostly for keying.
const macCost = 512

// A diagnoser searches for the one change that makes the received MAC right.
type diagnoser struct {
	in       *Input
	live     []*key
	previous []*key
	want     [sha256.Size]byte // the received MAC
	readable bool              // the received MAC could be decoded
	forms    []composed        // the accepted forms whose covered headers are all present

	left  int64 // the remaining budget
	ended bool  // the budget was exceeded
}

func newDiagnoser(in *Input) *diagnoser {
	d := &diagnoser{in: in, left: budget}
	d.live = keysOf(in.Keys.Keys())
	d.previous = keysOf(in.Keys.Previous())
	return d
}

// A key creates its MAC at its first use: keying costs two blocks of SHA-256, and most causes are found without it.
type key struct {
	name   string
	secret signature.Secret
	mac    hash.Hash
}

func keysOf(keys []signature.Key) []*key {
	all := make([]*key, len(keys))
	for i, k := range keys {
		all[i] = &key{name: k.Name, secret: k.Secret}
	}
	return all
}

// makes reports, in constant time, whether the key's MAC over the covered values and body is want.
func (k *key) makes(want *[sha256.Size]byte, covered []string, body []byte) bool {
	mac := k.keyed()
	mac.Reset()
	mac.Write(prefixOf(covered))
	mac.Write(body)
	return hmac.Equal(mac.Sum(nil), want[:])
}

func (k *key) keyed() hash.Hash {
	if k.mac == nil {
		k.mac = hmac.New(sha256.New, []byte(k.secret.Reveal()))
	}
	return k.mac
}

// prefixOf returns the signed bytes before the body.
func prefixOf(covered []string) []byte {
	var b []byte
	for _, value := range covered {
		b = append(b, value...)
		b = append(b, '.')
	}
	return b
}

// A composed is a form with the values of its headers.
type composed struct {
	form    *signature.Form
	covered []string
}

func explainf(c Cause, format string, args ...any) (Explanation, bool) {
	return Explanation{c, fmt.Sprintf(format, args...)}, true
}

// spend takes n bytes from the budget, and reports whether it could. After it could not once, it never can.
func (d *diagnoser) spend(n int) bool {
	if d.ended || int64(n) > d.left {
		d.ended = true
		return false
	}
	d.left -= int64(n)
	return true
}

// compose returns the forms whose covered headers are all present.
func (d *diagnoser) compose(forms []signature.Form) []composed {
	var all []composed
	for i := range forms {
		if covered, ok := coveredValues(d.in.Header, forms[i].Covers); ok {
			all = append(all, composed{&forms[i], covered})
		}
	}
	return all
}

// coveredValues returns the values of headers that must each appear once.
func coveredValues(h http.Header, names []string) ([]string, bool) {
	values := make([]string, len(names))
	for i, name := range names {
		if len(h[name]) != 1 || h[name][0] == "" {
			return nil, false
		}
		values[i] = h[name][0]
	}
	return values, true
}

// signed reports whether a live key makes the MAC over body.
func (d *diagnoser) signed(body []byte) bool {
	_, _, ok := d.signedBy(d.live, d.forms, body)
	return ok
}

// signedBy reports whether one of the keys makes the MAC over body in one of the forms, and which ones.
func (d *diagnoser) signedBy(keys []*key, forms []composed, body []byte) (name string, form *signature.Form, ok bool) {
	for _, c := range forms {
		for _, k := range keys {
			if !d.spend(macCost + len(body)) {
				return "", nil, false
			}
			if k.makes(&d.want, c.covered, body) {
				return k.name, c.form, true
			}
		}
	}
	return "", nil, false
}

// signedWith reports whether secret makes the MAC over the unchanged body, with any hash.
func (d *diagnoser) signedWith(newHash func() hash.Hash, secret string, want []byte, forms []composed) bool {
	for _, c := range forms {
		if !d.spend(macCost + len(d.in.Body)) {
			return false
		}
		if makes(newHash, secret, want, c.covered, d.in.Body) {
			return true
		}
	}
	return false
}

func makes(newHash func() hash.Hash, secret string, want []byte, covered []string, body []byte) bool {
	defer func() { _ = recover() }() // in FIPS mode, crypto/hmac panics for a short key and for SHA-1
	m := hmac.New(newHash, []byte(secret))
	m.Write(prefixOf(covered))
	m.Write(body)
	return hmac.Equal(m.Sum(nil), want)
}

// previousKeys tries the previous keys.
func (d *diagnoser) previousKeys() (Explanation, bool) {
	name, _, ok := d.signedBy(d.previous, d.forms, d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	return explainf(KeyPrevious, "it was signed with the previous key %q: either the sender still uses it, then set it together with the new key until the sender has changed, or someone else has obtained that key", name)
}

// otherForms tries the forms that Pin removed.
func (d *diagnoser) otherForms() (Explanation, bool) {
	all, excluded := d.in.Scheme, d.in.Scheme.Excluded()
	all.Forms = slices.Concat(all.Forms, excluded)
	if all.Ambiguous(d.in.Body) { // the signed bytes may have been split at another place
		return Explanation{}, false
	}
	_, form, ok := d.signedBy(d.live, d.compose(excluded), d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	return explainf(OtherForm, "the signature is that of the form %q, but only the form %q is accepted: accept the form that the sender uses", form.Name, d.in.Scheme.Forms[0].Name)
}
