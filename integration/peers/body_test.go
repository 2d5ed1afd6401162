package peers_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	playgitea "github.com/go-playground/webhooks/v6/gitea"
	playgithub "github.com/go-playground/webhooks/v6/github"
	"github.com/google/go-github/v89/github"
	"github.com/stretchr/testify/require"
)

// This file has the peers whose MAC covers only the body, without a time.

// ofBody maps the vectors of a vendor's body form: the values of the signature header, the body and the key.
func ofBody(write func(value string) (string, bool)) mapping {
	return func(f *file, v *vector) (*delivery, bool) {
		d := &delivery{secret: v.Keys[0].Secret, body: v.Body()}
		for _, value := range v.Header()[f.Scheme.Header] {
			written, ok := write(value)
			if !ok {
				return nil, false
			}
			d.signatures = append(d.signatures, written)
		}
		return d, true
	}
}

func asItIs(value string) (string, bool) { return value, true }

func withPrefix(value string) (string, bool) {
	if value == "" {
		return "", true
	}
	return "sha256=" + value, true
}

func ifPrefixed(value string) (string, bool) { return value, strings.HasPrefix(value, "sha256=") }

// request returns the request for peers that read it themselves.
func (d *delivery) request(t *testing.T, header string) *http.Request {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(d.body))
	r.Header.Set("Content-Type", "application/json")
	for _, value := range d.signatures {
		r.Header.Add(header, value)
	}
	return r
}

func goGitHub(t *testing.T, d *delivery) error {
	t.Helper()
	_, err := github.ValidatePayload(d.request(t, "X-Hub-Signature-256"), []byte(d.secret))
	return err
}

func playgroundGitHub(t *testing.T, d *delivery) error {
	t.Helper()
	hook, err := playgithub.New(playgithub.Options.Secret(d.secret))
	require.NoError(t, err)
	r := d.request(t, "X-Hub-Signature-256")
	r.Header.Set("X-Github-Event", string(playgithub.PingEvent))
	_, err = hook.Parse(r, playgithub.PingEvent)
	return authenticity(err, playgithub.ErrMissingHubSignatureHeader, playgithub.ErrHMACVerificationFailed, playgithub.ErrParsingPayload)
}

func playgroundGitea(t *testing.T, d *delivery) error {
	t.Helper()
	hook, err := playgitea.New(playgitea.Options.Secret(d.secret))
	require.NoError(t, err)
	r := d.request(t, "X-Gitea-Signature")
	r.Header.Set("X-Gitea-Event", string(playgitea.PushEvent))
	_, err = hook.Parse(r, playgitea.PushEvent)
	return authenticity(err, playgitea.ErrMissingGiteaSignatureHeader, playgitea.ErrHMACVerificationFailed, playgitea.ErrParsingPayload)
}

// authenticity ignores errors after the verification of the signature, because our payloads are not those of the peer.
func authenticity(err error, refusals ...error) error {
	if slices.Contains(refusals, err) {
		return err
	}
	return nil
}
