package emberqa

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// A Credential authenticates deliveries. EmberQA signs nothing and is configured with a URL only, so the URL must contain
// the secret. Anyone who sees the URL can forge deliveries. Proxies and tracing record URLs, so keep it out of their logs.
// A Credential does not print its secret.
type Credential struct {
	name string
	kind kind
	// proof is the value that a request must contain.
	proof signature.Secret
}

type kind uint8

const (
	kindToken kind = iota + 1
	kindBasic
	kindNone
)

// Token returns a credential that expects the token in the URL. The token is the last segment of the path, such as
// https://example.com/webhooks/emberqa/TOKEN, or the query parameter "token".
//
// The token must not be blank, ".", ".." or "[redacted]", and must not contain a slash. It should be random and have at
// least 16 characters. A shorter token logs a warning.
func Token(token string) Credential {
	return Credential{name: "default", kind: kindToken, proof: signature.NewSecret(token)}
}

// Basic returns a credential that expects HTTP Basic authentication, from a URL like https://user:password@example.com/.
// EmberQA does not document whether its sender turns such a URL into the header. Try it before you rely on it.
//
// User and password must not be blank, and the password must not be "[redacted]". A password of fewer than 16 characters
// logs a warning.
func Basic(user, password string) Credential {
	if strings.TrimSpace(user) == "" || strings.TrimSpace(password) == "" {
		return Credential{name: "default", kind: kindBasic} // NewHandler refuses a blank proof
	}
	return Credential{name: "default", kind: kindBasic, proof: signature.NewSecret(user + ":" + password)}
}

// DangerouslyAcceptAnyone returns a credential that accepts every request. Anyone who knows the URL can then run your
// callbacks with any payload. Use it only in a network that no one else can reach.
func DangerouslyAcceptAnyone() Credential {
	return Credential{name: "anyone", kind: kindNone, proof: signature.NewSecret("none")}
}

// Named returns the credential with another name. The name distinguishes credentials during a rotation, and appears in
// observations and logs. It is not secret. Defaults to "default".
func (c Credential) Named(name string) Credential {
	c.name = name
	return c
}

// minLength is the length below which a secret logs a warning.
const minLength = 16

// A gate authenticates deliveries by the live credentials.
type gate struct {
	logger *slog.Logger
	live   atomic.Pointer[[]liveCredential]

	setting  sync.Mutex
	previous atomic.Pointer[[]liveCredential] // the latest first; for explanations only
}

type liveCredential struct {
	name   string
	kind   kind
	digest [sha256.Size]byte
}

func logger(o *webhook.Options) *slog.Logger {
	if o == nil || o.Logger == nil {
		return slog.Default()
	}
	return o.Logger
}

func (g *gate) set(credentials []Credential) error {
	if len(credentials) == 0 {
		return errors.New("emberqa: Config.Credentials must have at least one credential; DangerouslyAcceptAnyone counts as one")
	}
	if len(credentials) > signature.MaxKeys {
		return fmt.Errorf("emberqa: Config.Credentials (%d) must have at most %d credentials", len(credentials), signature.MaxKeys)
	}
	live := make([]liveCredential, 0, len(credentials))
	names := make(map[string]bool)
	for _, c := range credentials {
		if err := c.check(); err != nil {
			return err
		}
		if names[c.name] {
			return fmt.Errorf("emberqa: two credentials have the name %q; give each its own with Credential.Named", c.name)
		}
		names[c.name] = true
		proof := c.proof.Reveal()
		if c.kind == kindNone {
			g.logger.Warn("emberqa: deliveries are not authenticated; anyone who knows the URL can forge them")
		} else if len(c.secret()) < minLength {
			g.logger.Warn("emberqa: the credential is short and may be guessed; use a longer one", "credential", c.name, "recommended_length", minLength)
		}
		live = append(live, liveCredential{name: c.name, kind: c.kind, digest: sha256.Sum256([]byte(proof))})
	}
	g.setting.Lock()
	defer g.setting.Unlock()
	previous := g.previousCredentials()
	if before := g.live.Load(); before != nil {
		previous = append(slices.Clone(*before), previous...)
	}
	previous = notLive(previous, live)
	g.previous.Store(&previous)
	g.live.Store(&live)
	return nil
}

// secret returns the proof without the user name, which is not secret.
func (c Credential) secret() string {
	proof := c.proof.Reveal()
	if _, password, ok := strings.Cut(proof, ":"); ok && c.kind == kindBasic {
		return password
	}
	return proof
}

func (c Credential) check() error {
	proof := c.proof.Reveal()
	switch {
	case strings.TrimSpace(c.name) == "":
		return errors.New("emberqa: every credential needs a name; create it with Token, Basic or DangerouslyAcceptAnyone")
	case c.proof.Blank() && c.kind == kindBasic:
		return fmt.Errorf("emberqa: the credential %q must have a user and a password", c.name)
	case c.proof.Blank():
		return fmt.Errorf("emberqa: the credential %q is blank", c.name)
	case c.secret() == "[redacted]":
		return fmt.Errorf("emberqa: the secret of the credential %q must not be [redacted], which logs show instead of a secret", c.name)
	case c.kind == kindToken && (proof == "." || proof == ".."):
		return fmt.Errorf("emberqa: the token %q must not be . or .., because a path cannot end with it", c.name)
	case c.kind == kindToken && strings.Contains(proof, "/"):
		return fmt.Errorf("emberqa: the token %q must not contain a slash, because it must be one segment of a path", c.name)
	default:
		return nil
	}
}

var errCredential = errors.New("emberqa: the request contains no live credential")

// Authenticate compares the credentials in the request with every live credential. It compares in constant time.
func (g *gate) Authenticate(_ context.Context, r *vendors.Request, _ []byte) (signature.Match, error) {
	shown := show(r)
	for _, live := range *g.live.Load() {
		matches := 0
		for i := range shown {
			if shown[i].kind == live.kind {
				matches |= subtle.ConstantTimeCompare(shown[i].digest[:], live.digest[:])
			}
		}
		if matches == 1 || live.kind == kindNone {
			return signature.Match{Key: live.name}, nil
		}
	}
	return signature.Match{}, errCredential
}

// show returns the digests of all credentials in the request: at most one in the path, the query and a header each.
func show(r *vendors.Request) []liveCredential {
	shown := make([]liveCredential, 0, 3)
	if r.URL != nil {
		if last := path.Base(r.URL.Path); last != "." && last != "/" { // what Base returns for a path without segments
			shown = append(shown, liveCredential{kind: kindToken, digest: sha256.Sum256([]byte(last))})
		}
		if query, err := url.ParseQuery(r.URL.RawQuery); err == nil && len(query["token"]) == 1 {
			shown = append(shown, liveCredential{kind: kindToken, digest: sha256.Sum256([]byte(query.Get("token")))})
		}
	}
	if len(r.Header["Authorization"]) == 1 {
		if user, password, ok := (&http.Request{Header: r.Header}).BasicAuth(); ok {
			shown = append(shown, liveCredential{kind: kindBasic, digest: sha256.Sum256([]byte(user + ":" + password))})
		}
	}
	return shown
}
