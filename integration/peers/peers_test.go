package peers_test

import (
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

const (
	testdata       = "../../signature/testdata/"
	headerDelivery = "X-Greenflash-Delivery"
)

type (
	file   = signtest.File
	vector = signtest.Vector
)

// A delivery is a vector in the form of a peer.
type delivery struct {
	secret     string
	body       []byte
	signatures []string    // values of the signature header, for peers with one header
	header     http.Header // for peers with several headers
	timed      bool        // whether the window is checked
}

// A mapping converts a vector to the form of a peer. It returns false if the peer has no equivalent.
type mapping func(f *file, v *vector) (*delivery, bool)

// A peer is a verifier of another library.
type peer struct {
	name   string
	module string
	scheme string // describes what it signs, and its headers
	form   string // our equivalent form
	maps   map[string]mapping
	judge  func(*testing.T, *delivery) error
}

// goPeers returns the peers in Go.
func goPeers() []peer {
	return []peer{
		{
			"go-github", "github.com/google/go-github/v89", "`X-Hub-Signature-256: sha256=HEX` over the body", "body",
			map[string]mapping{"convosphere": ofBody(withPrefix), "workflux": ofBody(withPrefix), "greenflash": ofBody(ifPrefixed)}, goGitHub,
		},
		{
			"go-playground/webhooks, GitHub", "github.com/go-playground/webhooks/v6", "`X-Hub-Signature-256: sha256=HEX` over the body", "body",
			map[string]mapping{"greenflash": ofBody(asItIs)}, playgroundGitHub,
		},
		{
			"go-playground/webhooks, Gitea", "github.com/go-playground/webhooks/v6", "`X-Gitea-Signature: HEX` over the body", "body",
			map[string]mapping{"convosphere": ofBody(asItIs), "workflux": ofBody(asItIs)}, playgroundGitea,
		},
		{
			"stripe-go", "github.com/stripe/stripe-go/v85", "`Stripe-Signature: t=TIME,v1=HEX` over `TIME.BODY`", "timestamp.body",
			map[string]mapping{"greenflash": ofStripe}, stripe,
		},
		{
			"standard-webhooks", "github.com/standard-webhooks/standard-webhooks/libraries", "`webhook-signature: v1,BASE64` over `ID.TIME.BODY`",
			"delivery.timestamp.body", map[string]mapping{"greenflash": ofStandard}, standardWebhooks,
		},
		{
			"svix", "github.com/svix/svix-webhooks", "`webhook-signature: v1,BASE64` over `ID.TIME.BODY`",
			"delivery.timestamp.body", map[string]mapping{"greenflash": ofStandard}, svixWebhooks,
		},
	}
}

// A verdict has the results for one vector. A nil error means that the delivery is accepted.
type verdict struct {
	vendor, name string
	theirs, ours error
}

// run verifies every vector that has an equivalent for the peer. Vectors with the same equivalent run once. Our result is that of a
// receiver that accepts only the peer's form. Headers that the peer does not have get valid values.
func (p *peer) run(t *testing.T) (verdicts []verdict) {
	t.Helper()
	files := signtest.LoadVectors(t, testdata)
	synctest.Test(t, func(t *testing.T) {
		for _, f := range files {
			write, seen := p.maps[f.Vendor], make(map[string]bool)
			for i := range f.Vectors {
				v := &f.Vectors[i]
				// A peer has one secret, without a name.
				if write == nil || len(v.Keys) != 1 || v.Keys[0].Name == "" {
					continue
				}
				d, ok := write(f, v)
				if !ok {
					continue
				}
				written := fmt.Sprintf("%q %q %q %q %t", d.secret, d.body, d.signatures, d.header, d.timed)
				if seen[written] {
					continue
				}
				seen[written] = true
				if v.Now != nil {
					time.Sleep(time.Until(time.Unix(*v.Now, 0)))
				}
				verdicts = append(verdicts, verdict{f.Vendor, v.Name, p.judge(t, d), p.ours(t, f, v, d)})
			}
		}
	})
	return verdicts
}

func (p *peer) ours(t *testing.T, f *file, v *vector, d *delivery) error {
	t.Helper()
	ring, err := signature.NewKeyring(f.SchemeFor(t, ""), v.SigningKeys()...)
	if err != nil {
		return err
	}
	h := v.Header()
	if p.form == "body" && f.Window.Header != "" {
		h.Set(f.Window.Header, "1795283259")
	}
	if p.form != "delivery.timestamp.body" {
		h.Del(headerDelivery)
	}
	verifier, err := signature.NewVerifier(f.SchemeFor(t, p.form))
	require.NoError(t, err)
	if _, err = verifier.Verify(ring, h, v.Body()); err != nil || !d.timed {
		return err
	}
	return f.Check(h, *v.Now)
}
