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

// A Credential lets deliveries in. EmberQA signs nothing and takes nothing but a URL, so what proves that a delivery
// comes from EmberQA has to ride in that URL. Whoever sees the URL can forge deliveries: proxies and tracing record
// URLs, so keep it out of their logs. It prints no secret.
type Credential struct {
	name string
	kind kind
	// proof is what the request has to show.
	proof signature.Secret
}

type kind uint8

const (
	kindToken kind = iota + 1
	kindBasic
	kindNone
)

// Token expects the token as the last segment of the URL's path, or as its query parameter "token":
// https://example.com/webhooks/emberqa/TOKEN. It must not be blank, ".", ".." or "[redacted]", nor contain a slash. It
// should be random and at least 16 characters long; a shorter one is warned of.
func Token(token string) Credential {
	return Credential{name: "default", kind: kindToken, proof: signature.NewSecret(token)}
}

// Basic expects HTTP Basic authentication, from a URL like https://user:password@example.com/. Whether EmberQA's sender
// turns such a URL into the header is not documented: try it before you rely on it.
func Basic(user, password string) Credential {
	if strings.TrimSpace(user) == "" || strings.TrimSpace(password) == "" {
		return Credential{name: "default", kind: kindBasic} // a blank one is refused when the handler is built
	}
	return Credential{name: "default", kind: kindBasic, proof: signature.NewSecret(user + ":" + password)}
}

// DangerouslyAcceptAnyone lets every request in. Anybody who knows the URL can then have your callbacks run with a
// payload of their choice. It is for a network that nobody else reaches.
func DangerouslyAcceptAnyone() Credential {
	return Credential{name: "anyone", kind: kindNone, proof: signature.NewSecret("none")}
}

// Named returns the credential under another name. The name tells credentials apart while they are rotated, stands in
// observations, and is no secret. Defaults to "default".
func (c Credential) Named(name string) Credential {
	c.name = name
	return c
}

// minLength is the shortest secret that is not warned of.
const minLength = 16

// A gate holds the live credentials and authenticates deliveries by them.
type gate struct {
	logger *slog.Logger
	live   atomic.Pointer[[]liveCredential]

	setting  sync.Mutex
	previous atomic.Pointer[[]liveCredential] // the latest first; they let nothing in
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
		return errors.New("emberqa: Config.Credentials needs at least one; DangerouslyAcceptAnyone is one, too")
	}
	if len(credentials) > signature.MaxKeys {
		return fmt.Errorf("emberqa: %d credentials are more than the %d that a handler takes", len(credentials), signature.MaxKeys)
	}
	live := make([]liveCredential, 0, len(credentials))
	names := make(map[string]bool)
	for _, c := range credentials {
		if err := c.check(); err != nil {
			return err
		}
		if names[c.name] {
			return fmt.Errorf("emberqa: two credentials have the name %q; see Credential.Named", c.name)
		}
		names[c.name] = true
		proof := c.proof.Reveal()
		if c.kind == kindNone {
			g.logger.Warn("emberqa: deliveries are not authenticated; anybody who knows the URL can forge them")
		} else if len(c.secret()) < minLength {
			g.logger.Warn("emberqa: the credential is short and can be guessed", "credential", c.name, "recommended_length", minLength)
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

// secret returns the proof without the user, who is no secret.
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
		return errors.New("emberqa: every credential needs a name; make it with Token, Basic or DangerouslyAcceptAnyone")
	case c.proof.Blank() && c.kind == kindBasic:
		return fmt.Errorf("emberqa: the credential %q needs a user and a password", c.name)
	case c.proof.Blank():
		return fmt.Errorf("emberqa: the credential %q is blank", c.name)
	case c.secret() == "[redacted]":
		return fmt.Errorf("emberqa: the secret of the credential %q must not be [redacted], the text that is shown in place of one", c.name)
	case c.kind == kindToken && (proof == "." || proof == ".."):
		return fmt.Errorf("emberqa: the token %q must not be . or .., which a path cannot end with", c.name)
	case c.kind == kindToken && strings.Contains(proof, "/"):
		return fmt.Errorf("emberqa: the token %q contains a slash, so it cannot be one segment of a path", c.name)
	default:
		return nil
	}
}

var errCredential = errors.New("emberqa: the request shows none of the live credentials")

// Authenticate compares, in constant time, what the request shows with every live credential.
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

// show digests all that a request could be let in for: a path, a query parameter and a header at the most.
func show(r *vendors.Request) []liveCredential {
	shown := make([]liveCredential, 0, 3)
	if r.URL != nil {
		if last := path.Base(r.URL.Path); last != "." && last != "/" { // what Base returns where there is none
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
