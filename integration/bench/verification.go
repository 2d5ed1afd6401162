package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"time"

	"github.com/google/go-github/v89/github"
	"github.com/slack-go/slack"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v85/webhook"
	svix "github.com/svix/svix-webhooks/go"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/signature"
)

// verifySlice is how long a verifier is measured in each round.
const verifySlice = 100 * time.Millisecond

var errNotVerified = errors.New("a genuine signature was refused")

// verification measures verifiers next to the floor: a reused HMAC over the signed bytes in one piece, and one comparison.
func verification() ([]*comparison, error) {
	var all []*comparison
	for _, size := range []int{256, 1 << 10, 16 << 10, 64 << 10, 1 << 20} {
		c := &comparison{name: bytesText(size), units: []string{"us"}}
		body := append(append([]byte(`{"a":"`), bytes.Repeat([]byte{'x'}, size-8)...), `"}`...)
		for _, v := range []struct {
			name string
			new  func(body []byte) (verifier, error)
		}{
			{"floor, body", func(body []byte) (verifier, error) { return newFloor(body), nil }},
			{"aihooks, body", ofScheme(convosphere.Profile().Scheme, 0, 1)},
			{"aihooks, body, the second of 2 keys", ofScheme(convosphere.Profile().Scheme, 0, 2)},
			{"aihooks, body, the fourth of 4 keys", ofScheme(convosphere.Profile().Scheme, 0, 4)},
			{"aihooks, time and body", ofScheme(greenflash.Profile().Scheme, 0, 1)},
			{"aihooks, id, time and body", ofScheme(greenflash.Profile().Scheme, 1, 1)},
			{"aihooks, body, the last of 3 forms", ofScheme(greenflash.Profile().Scheme, 2, 1)},
			{"go-github", goGitHub},
			{"slack-go", slackGo},
			{"stripe-go", stripeGo},
			{"standard-webhooks", standard(standardwebhooks.NewWebhook)},
			{"svix", standard(svix.NewWebhook)},
		} {
			verify, err := v.new(body)
			if err == nil {
				err = verify()
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", v.name, err)
			}
			c.add(v.name, func() ([]float64, error) {
				batch := max(1, (128<<10)/size)
				n, began := 0, time.Now()
				for time.Since(began) < verifySlice {
					for range batch {
						if err := verify(); err != nil {
							return nil, err
						}
					}
					n += batch
				}
				return []float64{float64(time.Since(began)) / float64(n) / 1e3}, nil
			})
		}
		if err := c.measure(); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// A verifier verifies the same delivery each time.
type verifier func() error

func macOf(parts ...[]byte) []byte {
	m := newMAC()
	for _, part := range parts {
		m.Write(part)
	}
	return m.Sum(nil)
}

func newFloor(body []byte) verifier {
	m, want := newMAC(), macOf(body)
	var sum [sha256.Size]byte
	return func() error { return verdict(equal(m, body, want, sum[:0])) }
}

func equal(m hash.Hash, signed, want, sum []byte) bool {
	m.Reset()
	m.Write(signed)
	return hmac.Equal(m.Sum(sum), want)
}

func verdict(ok bool) error {
	if ok {
		return nil
	}
	return errNotVerified
}

// ofScheme returns our verifier for a form of a scheme. Of that many keys, the last made the signature.
func ofScheme(s *signature.Scheme, form, keys int) func(body []byte) (verifier, error) {
	return func(body []byte) (verifier, error) {
		v, err := signature.NewVerifier(*s)
		if err != nil {
			return nil, err
		}
		var all []signature.Key
		for i := range keys - 1 {
			all = append(all, signature.NewKey(fmt.Sprintf("other-%d", i), fmt.Sprintf("another secret %d", i)))
		}
		ring, err := signature.NewKeyring(*s, append(all, signature.NewKey("default", secret))...)
		if err != nil {
			return nil, err
		}
		h := make(http.Header)
		for _, f := range s.Fields {
			h.Set(f.Header, unixNow()) // also fits the id
		}
		var parts [][]byte
		for _, name := range s.Forms[form].Covers() {
			parts = append(parts, []byte(h.Get(name)), []byte("."))
		}
		h.Set(s.Header, hex.EncodeToString(macOf(append(parts, body)...)))
		return func() error {
			_, err := v.Verify(ring, h, body)
			return err
		}, nil
	}
}

func unixNow() string { return strconv.FormatInt(time.Now().Unix(), 10) }

func goGitHub(body []byte) (verifier, error) {
	header := "sha256=" + hex.EncodeToString(macOf(body))
	return func() error { return github.ValidateSignature(header, body, []byte(secret)) }, nil
}

func slackGo(body []byte) (verifier, error) {
	h, now := make(http.Header), unixNow()
	h.Set("X-Slack-Request-Timestamp", now)
	h.Set("X-Slack-Signature", "v0="+hex.EncodeToString(macOf([]byte("v0:"+now+":"), body)))
	return func() error {
		v, err := slack.NewSecretsVerifier(h, secret)
		if err != nil {
			return err
		}
		if _, err := v.Write(body); err != nil {
			return err
		}
		return v.Ensure()
	}, nil
}

func stripeGo(body []byte) (verifier, error) {
	now := unixNow()
	header := "t=" + now + ",v1=" + hex.EncodeToString(macOf([]byte(now+"."), body))
	return func() error { return stripe.ValidatePayloadWithTolerance(body, header, secret, time.Hour) }, nil
}

// standard returns a verifier of a library for Standard Webhooks. It does not check the window, so that a long run does not end
// outside it.
func standard[V interface {
	VerifyIgnoringTimestamp(payload []byte, headers http.Header) error
}](newWebhook func(secret string) (V, error)) func(body []byte) (verifier, error) {
	return func(body []byte) (verifier, error) {
		v, err := newWebhook("whsec_" + base64.StdEncoding.EncodeToString([]byte(secret)))
		if err != nil {
			return nil, err
		}
		h, now := make(http.Header), unixNow()
		h.Set("Webhook-Id", "msg_1")
		h.Set("Webhook-Timestamp", now)
		h.Set("Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(macOf([]byte("msg_1."+now+"."), body)))
		return func() error { return v.VerifyIgnoringTimestamp(body, h) }, nil
	}
}
