package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// setAuthenticator sets the Authenticator of the configuration for a vendor that signs.
func setAuthenticator(p *vendors.Profile, c *vendors.HandlerConfig) error {
	if c.Authenticator != nil {
		if len(c.Keys) > 0 {
			return errors.New("webhook: HandlerConfig.Keys must be empty with an Authenticator")
		}
		return nil
	}
	if p.Scheme == nil {
		return errors.New("webhook: HandlerConfig.Authenticator must be set for a vendor whose Profile has no Scheme")
	}
	keys, err := signature.NewKeyring(*p.Scheme, c.Keys...)
	if err != nil {
		return fmt.Errorf("%s: Config.Keys: %w", p.Name, err)
	}
	verifier, err := signature.NewVerifier(*p.Scheme)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	c.Authenticator, c.Keys = &signed{scheme: *p.Scheme, verifier: verifier, keys: keys}, nil
	return nil
}

// A signed is the Authenticator of a vendor that signs.
type signed struct {
	scheme   signature.Scheme
	verifier *signature.Verifier
	keys     *signature.Keyring
}

func (s *signed) Authenticate(_ context.Context, r *vendors.Request, body []byte) (signature.Match, error) {
	return s.verifier.VerifyAt(s.keys, r.Header, body, r.ArrivedAt)
}

func (s *signed) Explain(r *vendors.Request, body []byte) diagnose.Explanation {
	return diagnose.Explain(diagnose.Input{
		Scheme: s.scheme, Keys: s.keys, Header: r.Header, Body: body, Declared: r.ContentLength, Now: r.ArrivedAt,
	})
}

// SetKeys replaces all signing keys atomically, while the handler serves. For a rotation, first set the new and the old key.
// Set the new key alone once the sender uses it. The errors are those of [signature.Keyring.Set], and after an error the
// keys are unchanged. Previous keys verify nothing, but [Handler.Explain] still recognizes them. For a vendor that does not
// sign, SetKeys returns an error.
func (h *Handler) SetKeys(keys ...signature.Key) error {
	s, ok := h.config.Authenticator.(*signed)
	if !ok {
		return fmt.Errorf("%s: SetKeys: the vendor does not sign, so there are no keys", h.profile.Name)
	}
	if err := s.keys.Set(keys...); err != nil {
		return fmt.Errorf("%s: SetKeys: %w", h.profile.Name, err)
	}
	h.silence.refused.Store(0)
	return nil
}
