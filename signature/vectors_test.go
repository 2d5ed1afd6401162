package signature_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/internal/timestamp"
	"github.com/aihooks/aihooks-go/signature"
)

// The files in testdata come from generate.py, a second implementation.
func vectorFiles(t testing.TB) []*signtest.File {
	t.Helper()
	return signtest.LoadVectors(t, "testdata")
}

// receivable returns the vectors with a valid receiver configuration.
func receivable(f *signtest.File) []signtest.Vector {
	return slices.DeleteFunc(slices.Clone(f.Vectors), func(v signtest.Vector) bool { return v.Want.Reason == signtest.KeysRefused })
}

// judge verifies a vector like a receiver.
func judge(t testing.TB, f *signtest.File, v *signtest.Vector) (signature.Match, error) {
	t.Helper()
	h, body := v.Header(), v.Body()
	match, err := signtest.NewVerifier(t, f.SchemeFor(t, v.Pin)).Verify(signtest.NewRing(t, v.SigningKeys()...), h, body)
	if err != nil || v.Now == nil {
		return match, err
	}
	sent, err := sentAt(f, h, body)
	if err != nil {
		return signature.Match{}, err
	}
	w := signature.Window{Past: time.Duration(f.Window.Past) * time.Second, Future: time.Duration(f.Window.Future) * time.Second}
	return match, w.Check(sent, time.Unix(*v.Now, 0))
}

// sentAt returns the time to check against the window. This package does not parse bodies. The handlers do, and
// internal/allvendors tests them with the same vectors.
func sentAt(f *signtest.File, h http.Header, body []byte) (time.Time, error) {
	if f.Window.Header != "" {
		return signature.ParseUnix(h.Get(f.Window.Header))
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return time.Time{}, signature.Reason("no_json_object")
	}
	sent, err := timestamp.ParseJSON(members[f.Window.Member])
	if err != nil {
		return time.Time{}, signature.Reason("no_time")
	}
	return sent, nil
}

func TestVerify_AgreesWithReferenceOnVectors(t *testing.T) {
	for _, file := range vectorFiles(t) {
		for _, v := range file.Vectors {
			t.Run(file.Vendor+"/"+v.Name, func(t *testing.T) {
				if v.Want.Reason == signtest.KeysRefused {
					_, err := signature.NewKeyring(signtest.BodyScheme(), v.SigningKeys()...)
					require.Error(t, err)
					return
				}
				match, err := judge(t, file, &v)
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
}

// A verifier that has learned another form must judge alike.
func TestVerify_GivesSameResultAfterAnyLayout(t *testing.T) {
	for _, file := range vectorFiles(t) {
		scheme := file.SchemeFor(t, "")
		for _, form := range scheme.Forms {
			verifier := signtest.NewVerifier(t, scheme)
			for _, v := range receivable(file) {
				warm(t, verifier, scheme, form.Name)
				h, body := v.Header(), v.Body()
				match, err := verifier.Verify(signtest.NewRing(t, v.SigningKeys()...), h, body)
				cold, coldErr := signtest.NewVerifier(t, scheme).Verify(signtest.NewRing(t, v.SigningKeys()...), h, body)
				require.Equal(t, coldErr, err, v.Name)
				require.Equal(t, cold.Form()+cold.Key, match.Form()+match.Key, v.Name)
			}
		}
	}
}

// warm verifies a delivery of that form.
func warm(t testing.TB, verifier *signature.Verifier, scheme signature.Scheme, form string) {
	t.Helper()
	h := http.Header{}
	for _, field := range scheme.Fields {
		h.Set(field.Header, signtest.Time)
	}
	signtest.Sign(t, scheme, form, h, []byte("{}"))
	match, err := verifier.Verify(signtest.DefaultRing(t), h, []byte("{}"))
	require.NoError(t, err)
	require.Equal(t, form, match.Form())
}

// What Sign makes is the same as what the second implementation makes.
func TestSign_AgreesWithReferenceOnVectors(t *testing.T) {
	signed := 0
	for _, file := range vectorFiles(t) {
		for _, v := range file.Vectors {
			if !v.Want.Accepted || len(v.Keys) != 1 {
				continue
			}
			scheme := file.SchemeFor(t, v.Pin)
			h, key := v.Header(), v.SigningKeys()[0]
			match, err := signtest.NewVerifier(t, scheme).Verify(signtest.NewRing(t, key), h, v.Body())
			require.NoError(t, err)
			require.NoError(t, scheme.Sign(key, v.Want.Form, h, v.Body()))
			again, err := signtest.NewVerifier(t, scheme).Verify(signtest.NewRing(t, key), h, v.Body())
			require.NoError(t, err, v.Name)
			require.Equal(t, match.Form(), again.Form(), v.Name)
			require.Equal(t, match.Digest(h, v.Body()), again.Digest(h, v.Body()), v.Name)
			signed++
		}
	}
	require.Greater(t, signed, 100)
}
