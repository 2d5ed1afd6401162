package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
)

// budget is how many bytes an explanation may hash, rewritten ones included.
const budget = 4 << 20

// macCost is what a MAC costs beside its bytes: keying it, above all.
const macCost = 512

// A search is for the one mistake under which the MAC that arrived is right.
type search struct {
	q        *Question
	want     [sha256.Size]byte // the MAC that arrived
	readable bool              // it could be read
	forms    []composed        // that are accepted, and of which all covered headers are there

	left  int64 // of the budget
	ended bool  // it was not enough
}

// A composed form has the values of its headers.
type composed struct {
	form    *Form
	covered []string
}

// pay takes n bytes out of the budget, and reports whether they were left. Once they were not, nothing is.
func (s *search) pay(n int) bool {
	if s.ended || int64(n) > s.left {
		s.ended = true
		return false
	}
	s.left -= int64(n)
	return true
}

// compose returns those of the forms whose covered headers are all there.
func (s *search) compose(forms []Form) []composed {
	var all []composed
	for i := range forms {
		there := true
		for _, name := range forms[i].Covers {
			there = there && len(s.q.Header[name]) == 1 && s.q.Header[name][0] != ""
		}
		if there {
			all = append(all, composed{&forms[i], forms[i].values(s.q.Header)})
		}
	}
	return all
}

// signed reports whether a live key makes the MAC over body, and which.
func (s *search) signed(body []byte) (key string, ok bool) {
	key, _, ok = s.signedBy(s.q.Keys.keys(), s.forms, body)
	return key, ok
}

func (s *search) signedBy(keys []*liveKey, forms []composed, body []byte) (key string, form *Form, ok bool) {
	for _, c := range forms {
		for _, k := range keys {
			if !s.pay(macCost + len(body)) {
				return "", nil, false
			}
			if k.makes(&s.want, c.covered, body) {
				return k.name, c.form, true
			}
		}
	}
	return "", nil, false
}

// signedWith reports whether secret makes the MAC over the body as it is, with any hash.
func (s *search) signedWith(newHash func() hash.Hash, secret string, want []byte, forms []composed) bool {
	for _, c := range forms {
		if !s.pay(macCost + len(s.q.Body)) {
			return false
		}
		if makes(newHash, secret, want, c.covered, s.q.Body) {
			return true
		}
	}
	return false
}

func makes(newHash func() hash.Hash, secret string, want []byte, covered []string, body []byte) bool {
	defer func() { _ = recover() }() // in FIPS mode crypto/hmac panics over a short key and over SHA-1
	m := hmac.New(newHash, []byte(secret))
	m.Write(appendPrefix(nil, covered))
	m.Write(body)
	return hmac.Equal(m.Sum(nil), want)
}

// retiredKeys tries the keys that were live before.
func (s *search) retiredKeys() (Explanation, bool) {
	key, _, ok := s.signedBy(s.q.Keys.former(), s.forms, s.q.Body)
	if !ok {
		return Explanation{}, false
	}
	return sayf(KeyRetired, "it was signed with a former key %q, which was live until the keys were exchanged: either the sender has not changed over, then set the former key beside the new one until it has, or somebody else has got hold of that key", key)
}

// otherForms tries the forms that were left out when the scheme was pinned.
func (s *search) otherForms() (Explanation, bool) {
	if beginsAsCovered(s.q.Body) { // what was signed may have been cut in another place
		return Explanation{}, false
	}
	_, form, ok := s.signedBy(s.q.Keys.keys(), s.compose(s.q.Scheme.unpinned), s.q.Body)
	if !ok {
		return Explanation{}, false
	}
	return sayf(OtherForm, "the signature is that of the form %q, and the form %q alone is accepted: accept the one that the sender signs", form.Name, s.q.Scheme.Forms[0].Name)
}
