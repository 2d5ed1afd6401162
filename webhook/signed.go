package webhook

import (
	"context"
	"errors"
	"fmt"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Tenants finds the keys of each request's tenant. See [vendors.Tenants].
type Tenants[K any] = vendors.Tenants[K]

// setAuthenticator sets the Authenticator of the configuration for a vendor that signs.
func setAuthenticator(p *vendors.Profile, c *vendors.HandlerConfig) error {
	switch {
	case c.Authenticator != nil && (len(c.Keys) > 0 || c.Tenants != nil):
		return errors.New("webhook: HandlerConfig.Keys and Tenants must be empty with an Authenticator")
	case c.Authenticator != nil:
		return nil
	case p.Scheme == nil:
		return errors.New("webhook: HandlerConfig.Authenticator must be set for a vendor whose Profile has no Scheme")
	case c.Tenants != nil && len(c.Keys) > 0:
		return fmt.Errorf("%s: Config.Keys must be empty with Config.Tenants", p.Name)
	}
	verifier, err := signature.NewVerifier(*p.Scheme)
	if err != nil {
		return fmt.Errorf("%s: %w", p.Name, err)
	}
	prepare := func(keys []signature.Key) (vendors.Authenticator, error) {
		ring, err := signature.NewKeyring(*p.Scheme, keys...)
		return &signed{scheme: *p.Scheme, verifier: verifier, keys: ring}, err
	}
	if c.Tenants == nil {
		if c.Authenticator, err = prepare(c.Keys); err != nil {
			return fmt.Errorf("%s: Config.Keys: %w", p.Name, err)
		}
		c.Keys = nil
		return nil
	}
	unknown, err := prepare([]signature.Key{p.Scheme.NewRandomKey("unknown")})
	if err == nil {
		c.Authenticator, err = c.Tenants.PerTenant(unknown, prepare)
	}
	return err
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
// sign, and with [Tenants], SetKeys returns an error.
func (h *Handler) SetKeys(keys ...signature.Key) error {
	s, ok := h.config.Authenticator.(*signed)
	switch {
	case h.config.Tenants != nil:
		return fmt.Errorf("%s: SetKeys: the keys come from Config.Tenants", h.profile.Name)
	case !ok:
		return fmt.Errorf("%s: SetKeys: the vendor does not sign, so there are no keys", h.profile.Name)
	}
	if err := s.keys.Set(keys...); err != nil {
		return fmt.Errorf("%s: SetKeys: %w", h.profile.Name, err)
	}
	h.silence.refused.Store(0)
	return nil
}
