package peers_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-go/slack"
	refstandard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	stripewebhook "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
)

// This file compares schemes of well-known senders with the libraries of these senders.

// A sender is a scheme and the library of its vendor.
type sender struct {
	name   string
	scheme signature.Scheme
	fields []string // the signed values except the body: a time, and also an id
	secret func(raw string) string
	sign   func(t *testing.T, secret string, values map[string]string, body []byte) string // the value of the scheme's header
	verify func(t *testing.T, secret string, h http.Header, body []byte) error
}

func senders() []sender {
	asIs := func(raw string) string { return raw }
	inBase64 := func(raw string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(raw)) }
	standard := *standardwebhooks.Profile().Scheme
	standardFields := []string{"Webhook-Timestamp", "Webhook-Id"}
	return []sender{
		{
			// go-github and slack-go only verify, so that an HMAC without our package signs.
			name: "go-github", scheme: signtest.GitHubScheme(), secret: asIs,
			sign: func(_ *testing.T, secret string, _ map[string]string, body []byte) string {
				return "sha256=" + signtest.Hex(secret, string(body))
			},
			verify: func(t *testing.T, secret string, h http.Header, body []byte) error {
				return goGitHub(t, &delivery{secret: secret, body: body, signatures: h["X-Hub-Signature-256"]})
			},
		},
		{
			name: "slack-go", scheme: signtest.SlackScheme(), fields: []string{"X-Slack-Request-Timestamp"}, secret: asIs,
			sign: func(_ *testing.T, secret string, values map[string]string, body []byte) string {
				return "v0=" + signtest.Hex(secret, "v0:"+values["X-Slack-Request-Timestamp"]+":"+string(body))
			},
			verify: slackGo,
		},
		{
			name: "stripe-go", scheme: signtest.StripeScheme(), fields: []string{"t"}, secret: asIs,
			sign: func(t *testing.T, secret string, values map[string]string, body []byte) string {
				return stripewebhook.GenerateTestSignedPayload(&stripewebhook.UnsignedPayload{Payload: body, Secret: secret, Timestamp: unix(t, values["t"])}).Header
			},
			verify: func(_ *testing.T, secret string, h http.Header, body []byte) error {
				return stripewebhook.ValidatePayload(body, h.Get("Stripe-Signature"), secret)
			},
		},
		{
			name: "standard-webhooks", scheme: standard, fields: standardFields, secret: inBase64,
			sign: signStandard(refstandard.NewWebhook), verify: verifyStandard(refstandard.NewWebhook),
		},
		{
			name: "svix", scheme: standard, fields: standardFields, secret: inBase64,
			sign: signStandard(svix.NewWebhook), verify: verifyStandard(svix.NewWebhook),
		},
		{
			// The released Go libraries have no Ed25519. The peer is crypto/ed25519; the vectors come from node.
			name: "ed25519", scheme: standard, fields: standardFields,
			secret: func(raw string) string { return "whsk_" + base64.StdEncoding.EncodeToString(private(raw).Seed()) },
			sign: func(_ *testing.T, secret string, values map[string]string, body []byte) string {
				signed := values["Webhook-Id"] + "." + values["Webhook-Timestamp"] + "." + string(body)
				return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(ofSeed(secret), []byte(signed)))
			},
			verify: verifyEd25519,
		},
	}
}

func slackGo(_ *testing.T, secret string, h http.Header, body []byte) error {
	v, err := slack.NewSecretsVerifier(h, secret)
	if err != nil {
		return err
	}
	if _, err := v.Write(body); err != nil {
		return err
	}
	return v.Ensure()
}

// A standardSigner has the methods of both libraries.
type standardSigner interface {
	standardVerifier
	Sign(id string, at time.Time, payload []byte) (string, error)
}

func signStandard[S standardSigner](newWebhook func(secret string) (S, error)) func(*testing.T, string, map[string]string, []byte) string {
	return func(t *testing.T, secret string, values map[string]string, body []byte) string {
		w, err := newWebhook(secret)
		require.NoError(t, err)
		signed, err := w.Sign(values["Webhook-Id"], unix(t, values["Webhook-Timestamp"]), body)
		require.NoError(t, err)
		return signed
	}
}

func verifyStandard[S standardSigner](newWebhook func(secret string) (S, error)) func(*testing.T, string, http.Header, []byte) error {
	return func(_ *testing.T, secret string, h http.Header, body []byte) error {
		w, err := newWebhook(secret)
		if err != nil {
			return err
		}
		return w.Verify(body, h)
	}
}

// private returns the private key whose seed is the text, filled up with zeros.
func private(text string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, text)
	return ed25519.NewKeyFromSeed(seed)
}

func ofSeed(secret string) ed25519.PrivateKey {
	seed, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsk_"))
	if err != nil {
		panic(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func verifyEd25519(_ *testing.T, secret string, h http.Header, body []byte) error {
	signed := h.Get("Webhook-Id") + "." + h.Get("Webhook-Timestamp") + "." + string(body)
	for text := range strings.SplitSeq(h.Get("Webhook-Signature"), " ") {
		sig, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "v1a,"))
		if err == nil && ed25519.Verify(ofSeed(secret).Public().(ed25519.PublicKey), []byte(signed), sig) {
			return nil
		}
	}
	return errors.New("no signature matches")
}

func unix(t *testing.T, text string) time.Time {
	t.Helper()
	seconds, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return time.Unix(seconds, 0)
}

var (
	senderBodies  = [][]byte{nil, []byte("{}"), []byte(`{"type":"a","text":"é \u0000"}`), {0, 0xff, '\n', '.'}, []byte("1795283259.{}"), bytes.Repeat([]byte("0123456789"), 10_000)}
	senderSecrets = []string{"a secret", "another secret", "\x01\xfe", strings.Repeat("k", 64)}
)

const senderTime = 1795283259

// eachSender runs test for each sender at senderTime, because the libraries compare with the clock.
func eachSender(t *testing.T, test func(t *testing.T, s *sender)) {
	t.Helper()
	for _, s := range senders() {
		t.Run(s.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				time.Sleep(time.Until(time.Unix(senderTime, 0)))
				test(t, &s)
			})
		})
	}
}

// values returns the signed values of a delivery.
func (s *sender) values() map[string]string {
	values := make(map[string]string)
	for i, name := range s.fields {
		values[name] = []string{strconv.Itoa(senderTime), "msg_1"}[i]
	}
	return values
}

// sent returns the headers of a delivery that the peer signed with each secret.
func (s *sender) sent(t *testing.T, body []byte, secrets ...string) http.Header {
	t.Helper()
	h := make(http.Header)
	list := make([]string, len(secrets))
	for i, secret := range secrets {
		list[i] = s.sign(t, secret, s.values(), body)
		if i > 0 {
			list[i] = strings.TrimPrefix(list[i], "t="+strconv.Itoa(senderTime)+",") // Stripe's list has it once
		}
	}
	for name, value := range s.values() {
		if http.CanonicalHeaderKey(name) == name {
			h.Set(name, value)
		}
	}
	h.Set(s.scheme.Header, strings.Join(list, s.scheme.Separator))
	return h
}

func (s *sender) ours(t *testing.T, h http.Header, body []byte, secrets ...string) error {
	t.Helper()
	var keys []signature.Key
	for i, secret := range secrets {
		keys = append(keys, signature.NewKey(strconv.Itoa(i), secret))
	}
	_, err := signtest.NewVerifier(t, s.scheme).Verify(signtest.NewRingFor(t, s.scheme, keys...), h, body)
	return err
}

func TestSenders_OursVerifiesTheirSignature(t *testing.T) {
	eachSender(t, func(t *testing.T, s *sender) {
		for _, raw := range senderSecrets {
			secret := s.secret(raw)
			for _, body := range senderBodies {
				h := s.sent(t, body, secret)
				require.NoError(t, s.verify(t, secret, h, body))
				require.NoError(t, s.ours(t, h, body, secret))
			}
		}
	})
}

func TestSenders_TheirsVerifiesOurSignature(t *testing.T) {
	eachSender(t, func(t *testing.T, s *sender) {
		for _, raw := range senderSecrets {
			secret := s.secret(raw)
			for _, body := range senderBodies {
				h := make(http.Header)
				for name, value := range s.values() {
					s.scheme.Set(h, name, value)
				}
				require.NoError(t, s.scheme.Sign(signature.NewKey("default", secret), "", h, body))
				require.NoError(t, s.verify(t, secret, h, body))
				require.Equal(t, s.sent(t, body, secret), h)
			}
		}
	})
}

func TestSenders_BothRefuseChanges(t *testing.T) {
	eachSender(t, func(t *testing.T, s *sender) {
		secret, other := s.secret("a secret"), s.secret("another secret")
		for _, body := range senderBodies {
			refused := func(what, secret string, h http.Header, body []byte) {
				t.Helper()
				require.Error(t, s.verify(t, secret, h, body), what)
				require.ErrorIs(t, s.ours(t, h, body, secret), signature.Mismatch, what)
			}
			h := s.sent(t, body, secret)
			refused("other key", other, h, body)
			refused("longer body", secret, h, append(bytes.Clone(body), ' '))
			if len(body) > 0 {
				changed := bytes.Clone(body)
				changed[len(changed)/2] ^= 1
				refused("changed body", secret, h, changed)
				refused("shorter body", secret, h, body[:len(body)-1])
			}
			for i, name := range s.fields {
				changed := h.Clone()
				s.scheme.Set(changed, name, []string{strconv.Itoa(senderTime + 1), "msg_2"}[i])
				refused(name, secret, changed, body)
			}
		}
	})
}

// During a rotation, a sender signs with both secrets.
func TestSenders_BothTakeOneOfTwoSignatures(t *testing.T) {
	eachSender(t, func(t *testing.T, s *sender) {
		if s.scheme.Separator == "" {
			return // one signature is all that the header has
		}
		before, after, other := s.secret("the secret before"), s.secret("the secret after"), s.secret("another secret")
		for _, body := range senderBodies {
			h := s.sent(t, body, before, after)
			for _, secret := range []string{before, after} {
				require.NoError(t, s.verify(t, secret, h, body))
				require.NoError(t, s.ours(t, h, body, secret))
				require.NoError(t, s.ours(t, h, body, other, secret))
			}
			require.NoError(t, s.ours(t, h, body, before, after))
			require.Error(t, s.verify(t, other, h, body))
			require.ErrorIs(t, s.ours(t, h, body, other), signature.Mismatch)
		}
	})
}

// These are the deliberate differences. Those of Standard Webhooks are in PEERS.md.
func TestSenders_DifferOnPurpose(t *testing.T) {
	at := strconv.Itoa(senderTime)
	differences := map[string][]struct {
		name    string
		change  func(value string) []string // of the header
		accepts bool                        // whether we accept; they do the opposite
		why     string
	}{
		"go-github": {
			{"no prefix", func(v string) []string { return []string{strings.TrimPrefix(v, "sha256=")} }, true, "The bytes are the same. With one version and one signature, the prefix distinguishes nothing."},
			{"header twice", func(v string) []string { return []string{v, v} }, false, "Two programs may read two different lines."},
		},
		"slack-go": {
			{"no prefix", func(v string) []string { return []string{strings.TrimPrefix(v, "v0=")} }, true, "As for go-github."},
			{"header twice", func(v string) []string { return []string{v, v} }, false, "Two programs may read two different lines."},
		},
		"stripe-go": {
			{"a signature that is no hex", func(v string) []string { return []string{v + ",v1=zz"} }, false, "A sender writes no such element, so something changed the header."},
			{"the time twice", func(v string) []string { return []string{"t=1," + v} }, false, "The signature covers only one of them."},
			{"a sign before the time", func(v string) []string { return []string{strings.Replace(v, at, "+"+at, 1)} }, false, "The peer formats the number again, so it accepts bytes that were not signed."},
			{"a zero before the time", func(v string) []string { return []string{strings.Replace(v, at, "0"+at, 1)} }, false, "As before it."},
			{"a space after the comma", func(v string) []string { return []string{strings.Replace(v, ",", ", ", 1)} }, true, "HTTP libraries that join header lines write one."},
			{"two header lines", func(v string) []string { return strings.Split(v, ",") }, true, "In HTTP, a list in two lines is the same as in one."},
			{"an element without a value", func(v string) []string { return []string{v + ",x"} }, true, "A sender may add other elements later."},
		},
	}
	eachSender(t, func(t *testing.T, s *sender) {
		for _, d := range differences[s.name] {
			h := s.sent(t, []byte("{}"), "a secret")
			h[s.scheme.Header] = d.change(h.Get(s.scheme.Header))
			theirs, ours := s.verify(t, "a secret", h, []byte("{}")), s.ours(t, h, []byte("{}"), "a secret")
			require.Equal(t, d.accepts, ours == nil, "%s: %s (%v)", d.name, d.why, ours)
			require.Equal(t, d.accepts, theirs != nil, "%s: the peer no longer differs (%v)", d.name, theirs)
		}
	})
}
