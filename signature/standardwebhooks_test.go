package signature_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
)

// The vectors come from the JavaScript reference library: see integration/peers/standardwebhooks.mjs.
func TestVerify_AgreesOnStandardWebhooksVectors(t *testing.T) {
	file, scheme := signtest.LoadStandardWebhooks(t, "testdata"), *standardwebhooks.Profile().Scheme
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			ring, err := signature.NewKeyring(scheme, v.SigningKeys()...)
			if v.Want.Reason == signtest.KeysRefused {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			h, body := v.Header(), v.Body()
			match, err := signtest.NewVerifier(t, scheme).Verify(ring, h, body)
			if err == nil {
				err = file.Check(h, *v.Now)
			}
			if !v.Want.Accepted {
				require.ErrorIs(t, err, v.Want.Reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, v.Want.Key, match.Key)
			require.Equal(t, v.Want.Form, match.Form())
		})
	}
}

func TestSign_AgreesOnStandardWebhooksVectors(t *testing.T) {
	scheme, signed := *standardwebhooks.Profile().Scheme, 0
	for _, v := range signtest.LoadStandardWebhooks(t, "testdata").Vectors {
		h := v.Header()
		if !v.Want.Accepted || len(v.Keys) > 1 || strings.HasPrefix(v.Keys[0].Secret, "whpk_") || strings.Contains(strings.Join(h[scheme.Header], " "), " ") {
			continue // a public key cannot sign, and Sign writes one signature
		}
		require.NoError(t, scheme.Sign(v.SigningKeys()[0], "", h, v.Body()), v.Name)
		require.Equal(t, v.Header(), h, v.Name)
		signed++
	}
	require.Greater(t, signed, 15)
}
