package signature

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Sign sets the scheme's header in h to the signature of body by key, in the named form. If form is empty, it is the
// scheme's first form. The version is that of the key: see [Version].KeyPrefixes. The fields that the form covers must
// be set before, each once: see [Scheme.Set]. Sign does not check their grammar, so tests can create deliveries that are
// refused.
//
// Sign returns an error, and sets nothing, in these cases: the scheme is invalid, has no such form, a covered field is
// missing, or the key cannot be used for signing.
func (s Scheme) Sign(key Key, form string, h http.Header, body []byte) error {
	c, err := s.compiled()
	if err != nil {
		return err
	}
	f := &c.Forms[0]
	if form != "" {
		if f, err = c.form(form); err != nil {
			return err
		}
	}
	live, err := newLiveKey(c, key)
	if err != nil {
		return err
	}
	for _, name := range f.Covers() {
		if len(c.Values(h, name)) != 1 {
			return fmt.Errorf("signature: the header %[2]s must be set once before signing, because form %[1]q covers it", f.Name, name)
		}
	}
	values := c.values(h)
	before, after := f.append(nil, nil, &values)
	made, err := live.sign(before, body, after)
	if err != nil {
		return err
	}
	v := &c.Versions[live.version]
	var list []string
	for i := range c.Fields {
		if e := c.Fields[i].Element; e != "" && values[i] != "" {
			list = append(list, e+"="+values[i])
		}
	}
	h.Set(c.Header, strings.Join(append(list, v.Prefix+v.Encoding.encode(made)), c.Separator))
	return nil
}

// sign returns the signature over the signed bytes.
func (k *liveKey) sign(before, body, after []byte) ([]byte, error) {
	if k.private == nil && k.public != nil {
		return nil, errors.New("signature: a public key cannot sign; signing needs the private key")
	}
	m := k.macs.New().(*mac)
	if k.private != nil {
		return ed25519.Sign(k.private, m.join(before, body, after)), nil
	}
	return m.over(before, body, after), nil
}
