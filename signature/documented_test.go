package signature_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
)

const (
	slackBody = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2F" +
		"commands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	// The reference libraries test with this delivery.
	standardID, standardTime, standardBody = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", `{"test": 2432232314}`
)

// The senders published these signatures.
func TestScheme_MakesDocumentedSignatures(t *testing.T) {
	standard := http.Header{"Webhook-Id": {standardID}, "Webhook-Timestamp": {standardTime}}
	for name, c := range map[string]struct {
		scheme       signature.Scheme
		secret, body string
		fields       http.Header
		want         string
	}{
		"GitHub": {
			signtest.GitHubScheme(), "It's a Secret to Everybody", "Hello, World!", http.Header{},
			"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
		},
		"Slack": {
			signtest.SlackScheme(), "8f742231b10e8888abcd99yyyzzz85a5", slackBody, http.Header{"X-Slack-Request-Timestamp": {"1531420618"}},
			"v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
		},
		"Standard Webhooks, HMAC": {
			*standardwebhooks.Profile().Scheme, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", standardBody, standard,
			"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
		},
		"Standard Webhooks, Ed25519": {
			*standardwebhooks.Profile().Scheme, "whsk_VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=", standardBody, standard,
			"v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h, key := c.fields.Clone(), signature.NewKey("default", c.secret)
			require.NoError(t, c.scheme.Sign(key, "", h, []byte(c.body)))
			require.Equal(t, []string{c.want}, h[c.scheme.Header])
			verifier, ring := signtest.NewVerifier(t, c.scheme), signtest.NewRingFor(t, c.scheme, key)
			_, err := verifier.Verify(ring, h, []byte(c.body))
			require.NoError(t, err)
			_, err = verifier.Verify(ring, h, []byte(c.body+" "))
			requireRefused(t, err, signature.Mismatch, c.scheme.Header)
		})
	}
}
