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

// budget is how many bytes an explanation may hash, rewritten ones included.
const budget = 4 << 20

// macCost is what a MAC costs in addition to its bytes: keying it, above all.
const macCost = 512

// A diagnoser looks for the one change under which the MAC that arrived is right.
type diagnoser struct {
	in       *Input
	live     []*key
	previous []*key
	want     [sha256.Size]byte // the MAC that arrived
	readable bool              // it could be read
	forms    []composed        // that are accepted, and of which all covered headers are there

	left  int64 // of the budget
	ended bool  // it was not enough
}

func newDiagnoser(in *Input) *diagnoser {
	d := &diagnoser{in: in, left: budget}
	d.live = keysOf(in.Keys.Keys())
	d.previous = keysOf(in.Keys.Previous())
	return d
}

// A key is keyed by its first MAC: keying costs two blocks of SHA-256, and most causes are found before.
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

// prefixOf returns what is signed before the body.
func prefixOf(covered []string) []byte {
	var b []byte
	for _, value := range covered {
		b = append(b, value...)
		b = append(b, '.')
	}
	return b
}

// A composed form has the values of its headers.
type composed struct {
	form    *signature.Form
	covered []string
}

func explainf(c Cause, format string, args ...any) (Explanation, bool) {
	return Explanation{c, fmt.Sprintf(format, args...)}, true
}

// spend takes n bytes out of the budget, and reports whether they were left. Once they were not, nothing is.
func (d *diagnoser) spend(n int) bool {
	if d.ended || int64(n) > d.left {
		d.ended = true
		return false
	}
	d.left -= int64(n)
	return true
}

// compose returns those of the forms whose covered headers are all there.
func (d *diagnoser) compose(forms []signature.Form) []composed {
	var all []composed
	for i := range forms {
		if covered, ok := coveredValues(d.in.Header, forms[i].Covers); ok {
			all = append(all, composed{&forms[i], covered})
		}
	}
	return all
}

// coveredValues returns the values of headers that must each be there once.
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

// signedBy reports whether one of the keys makes the MAC over body in one of the forms, and which.
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

// signedWith reports whether secret makes the MAC over the body as it is, with any hash.
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
	defer func() { _ = recover() }() // in FIPS mode crypto/hmac panics over a short key and over SHA-1
	m := hmac.New(newHash, []byte(secret))
	m.Write(prefixOf(covered))
	m.Write(body)
	return hmac.Equal(m.Sum(nil), want)
}

// previousKeys tries the keys that were live before.
func (d *diagnoser) previousKeys() (Explanation, bool) {
	name, _, ok := d.signedBy(d.previous, d.forms, d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	return explainf(KeyPrevious, "it was signed with a former key %q, which was live until the keys were exchanged: either the sender has not changed over, then set the former key beside the new one until it has, or somebody else has got hold of that key", name)
}

// otherForms tries the forms that were left out when the scheme was pinned.
func (d *diagnoser) otherForms() (Explanation, bool) {
	all, excluded := d.in.Scheme, d.in.Scheme.Excluded()
	all.Forms = slices.Concat(all.Forms, excluded)
	if all.Ambiguous(d.in.Body) { // what was signed may have been cut in another place
		return Explanation{}, false
	}
	_, form, ok := d.signedBy(d.live, d.compose(excluded), d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	return explainf(OtherForm, "the signature is that of the form %q, and the form %q alone is accepted: accept the one that the sender signs", form.Name, d.in.Scheme.Forms[0].Name)
}
