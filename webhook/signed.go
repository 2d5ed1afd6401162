package webhook

import (
	"context"
	"fmt"

	"github.com/aihooks/aihooks-go/signature"
)

// A SignedHandler is a [Handler] for a vendor that signs.
type SignedHandler struct {
	*Handler
	keys *signature.Keyring
}

// NewSigned builds a handler that authenticates by the profile's Scheme, with the given keys. Vendors call it.
func NewSigned(p Profile, e Endpoint, keys []signature.Key, o *Options) (*SignedHandler, error) {
	ring, err := signature.NewKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("%s: Config.Keys: %w", p.Name, err)
	}
	verifier, err := signature.NewVerifier(*p.Scheme)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	e.Authenticator = &signed{scheme: *p.Scheme, verifier: verifier, keys: ring}
	h, err := New(p, e, o)
	if err != nil {
		return nil, err
	}
	return &SignedHandler{Handler: h, keys: ring}, nil
}

// A signed authenticator goes by a scheme and its keys.
type signed struct {
	scheme   signature.Scheme
	verifier *signature.Verifier
	keys     *signature.Keyring
}

func (s *signed) Authenticate(_ context.Context, r *Request, body []byte) (signature.Match, error) {
	return s.verifier.Verify(s.keys, r.Header, body)
}

func (s *signed) Explain(r *Request, body []byte) signature.Explanation {
	return signature.Explain(signature.Question{
		Scheme: s.scheme, Keys: s.keys, Header: r.Header, Body: body, Declared: r.ContentLength,
	})
}

// SetKeys exchanges the signing keys while serving, all at once: for a rotation, first set the new and the old one,
// then, once the sender has changed over, the new one alone. The errors are those of [signature.Keyring.Set]; after
// one the keys are as they were. Former keys verify nothing, but are remembered for [Handler.Explain].
func (h *SignedHandler) SetKeys(keys ...signature.Key) error {
	if err := h.keys.Set(keys...); err != nil {
		return fmt.Errorf("%s: SetKeys: %w", h.profile.Name, err)
	}
	return nil
}
