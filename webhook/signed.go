package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// authenticateBy sets the configuration's Authenticator for a vendor that signs, and returns its keys.
func authenticateBy(p *vendors.Profile, c *vendors.HandlerConfig) (*signature.Keyring, error) {
	if c.Authenticator != nil {
		if len(c.Keys) > 0 {
			return nil, errors.New("webhook: HandlerConfig.Keys must be empty with an Authenticator")
		}
		return nil, nil
	}
	if p.Scheme == nil {
		return nil, errors.New("webhook: HandlerConfig.Authenticator must be set for a vendor whose Profile has no Scheme")
	}
	keys, err := signature.NewKeyring(c.Keys...)
	if err != nil {
		return nil, fmt.Errorf("%s: Config.Keys: %w", p.Name, err)
	}
	verifier, err := signature.NewVerifier(*p.Scheme)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	c.Authenticator, c.Keys = &signed{scheme: *p.Scheme, verifier: verifier, keys: keys}, nil
	return keys, nil
}

// A signed authenticator goes by a scheme and its keys.
type signed struct {
	scheme   signature.Scheme
	verifier *signature.Verifier
	keys     *signature.Keyring
}

func (s *signed) Authenticate(_ context.Context, r *vendors.Request, body []byte) (signature.Match, error) {
	return s.verifier.Verify(s.keys, r.Header, body)
}

func (s *signed) Explain(r *vendors.Request, body []byte) diagnose.Explanation {
	return diagnose.Explain(diagnose.Input{
		Scheme: s.scheme, Keys: s.keys, Header: r.Header, Body: body, Declared: r.ContentLength,
	})
}

// SetKeys exchanges the signing keys while serving, all at once: for a rotation, first set the new and the old one,
// then, once the sender has changed over, the new one alone. The errors are those of [signature.Keyring.Set]; after
// one the keys are as they were. Previous keys verify nothing, but are remembered for [Handler.Explain]. For a vendor that does
// not sign, SetKeys returns an error.
func (h *Handler) SetKeys(keys ...signature.Key) error {
	if h.keys == nil {
		return fmt.Errorf("%s: SetKeys: the vendor does not sign, so there are no keys", h.profile.Name)
	}
	if err := h.keys.Set(keys...); err != nil {
		return fmt.Errorf("%s: SetKeys: %w", h.profile.Name, err)
	}
	return nil
}
