package diagnose

import (
	"fmt"
	"slices"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// budget is how many bytes an explanation may hash, including rewritten bodies.
const budget = 4 << 20

const (
	macCost     = 512      // of a MAC in addition to its bytes, mostly for keying
	ed25519Cost = 16 << 10 // of verifying one Ed25519 signature in addition to its bytes
)

// costOf returns the cost of comparing one signature over body.
func costOf(a signature.Algorithm, body []byte) int {
	if a == signature.Ed25519 {
		return ed25519Cost + len(body)
	}
	return macCost + len(body)
}

// A diagnoser searches for the one change that makes the received MAC right.
type diagnoser struct {
	in       *Input
	live     []*key // those in their lifetime
	outside  []*key // the other live keys
	previous []*key
	versions []signature.Version   // the versions of the live keys
	got      []signature.Signature // the received signatures
	gotErr   error                 // why they cannot be read
	forms    []composed            // the accepted forms whose covered values are all present

	left  int64 // the remaining budget
	ended bool  // the budget was exceeded

	buffer   []byte // for signed bytes
	computed int64  // signatures of given keys, for tests
}

func newDiagnoser(in *Input) *diagnoser {
	d := &diagnoser{in: in, left: budget}
	now := in.now()
	for _, k := range d.keysOf(in.Keys.Keys()) {
		if k.ValidAt(now) {
			d.live = append(d.live, k)
		} else {
			d.outside = append(d.outside, k)
		}
		if !slices.ContainsFunc(d.versions, func(v signature.Version) bool { return v.Prefix == k.version.Prefix }) {
			d.versions = append(d.versions, k.version)
		}
	}
	d.previous = d.keysOf(in.Keys.Previous())
	return d
}

// A key is a key with its decoded secret.
type key struct {
	signature.Key
	version signature.Version
	raw     []byte
}

func (d *diagnoser) keysOf(keys []signature.Key) []*key {
	var all []*key
	for _, k := range keys {
		if version, raw, err := d.in.Scheme.Decode(k.Secret); err == nil {
			all = append(all, &key{k, version, raw})
		}
	}
	return all
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

// compose returns the forms whose covered values are all present.
func (d *diagnoser) compose(forms []signature.Form) []composed {
	var all []composed
	for i := range forms {
		if covered, ok := d.coveredValues(forms[i].Covers()); ok {
			all = append(all, composed{&forms[i], covered})
		}
	}
	return all
}

// coveredValues returns the values of fields that must each appear once.
func (d *diagnoser) coveredValues(names []string) ([]string, bool) {
	values := make([]string, len(names))
	for i, name := range names {
		all := d.in.Scheme.Values(d.in.Header, name)
		if len(all) != 1 || all[0] == "" {
			return nil, false
		}
		values[i] = all[0]
	}
	return values, true
}

// signed reports whether a live key makes one of the received signatures over body.
func (d *diagnoser) signed(body []byte) bool {
	_, _, ok := d.signedBy(d.live, d.forms, body)
	return ok
}

// signedBy reports whether one of the keys makes a received signature over body in one of the forms, and which ones.
func (d *diagnoser) signedBy(keys []*key, forms []composed, body []byte) (by *key, form *signature.Form, ok bool) {
	for _, c := range forms {
		var signed []byte
		for _, k := range keys {
			for _, sig := range d.got {
				if sig.Version.Prefix != k.version.Prefix {
					continue
				}
				if !d.spend(costOf(k.version.Algorithm, body)) {
					return nil, nil, false
				}
				if signed == nil {
					signed = d.bytes(&c, body)
				}
				if k.Name != "" {
					d.computed++
				}
				if verifies(k.version.Algorithm, k.raw, signed, sig.Bytes) {
					return k, c.form, true
				}
			}
		}
	}
	return nil, nil, false
}

// bytes returns the signed bytes. They are valid until the next call.
func (d *diagnoser) bytes(c *composed, body []byte) []byte {
	d.buffer = c.form.Append(d.buffer[:0], c.covered, body)
	return d.buffer
}

// signedWith reports whether raw makes one of the received signatures over the unchanged body.
func (d *diagnoser) signedWith(v *signature.Version, raw []byte) bool {
	_, _, ok := d.signedBy([]*key{{version: *v, raw: raw}}, d.forms, d.in.Body)
	return ok
}

// verifies is [signature.Algorithm.Verify] for any secret.
func verifies(a signature.Algorithm, secret, signed, sig []byte) bool {
	defer func() { _ = recover() }() // in FIPS mode, crypto/hmac panics for a short key and for SHA-1
	return a.Verify(secret, signed, sig)
}

// outsideLifetime tries the live keys that are outside their lifetime.
func (d *diagnoser) outsideLifetime() (Explanation, bool) {
	k, _, ok := d.signedBy(d.outside, d.forms, d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	var bounds string
	if !k.NotBefore.IsZero() {
		bounds = " from " + k.NotBefore.UTC().Format(time.RFC3339)
	}
	if !k.NotAfter.IsZero() {
		bounds += " until " + k.NotAfter.UTC().Format(time.RFC3339)
	}
	return explainf(KeyLifetime, "it was signed with the key %q, which is valid only%s: change the lifetime, or set a valid key at the sender; if it should be valid now, check the clock", k.Name, bounds)
}

// previousKeys tries the previous keys.
func (d *diagnoser) previousKeys() (Explanation, bool) {
	k, _, ok := d.signedBy(d.previous, d.forms, d.in.Body)
	if !ok {
		return Explanation{}, false
	}
	return explainf(KeyPrevious, "it was signed with the previous key %q: either the sender still uses it, then set it together with the new key until the sender has changed, or someone else has obtained that key", k.Name)
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
