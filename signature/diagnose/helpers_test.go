package diagnose_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

const (
	headerSignature = "X-Acme-Signature"
	headerTime      = "X-Acme-Time"
	headerDelivery  = "X-Acme-Delivery"

	testSecret = "whsec-correct-horse-battery-staple"
	testTime   = "1795283259"
)

// bodyScheme signs only the body.
func bodyScheme() signature.Scheme {
	return signature.Scheme{Header: headerSignature, Forms: []signature.Form{{Name: "body"}}}
}

// headScheme accepts three forms, with and without a prefix.
func headScheme() signature.Scheme {
	return signature.Scheme{
		Header: headerSignature,
		Prefix: "sha256=",
		Forms: []signature.Form{
			{Name: "timestamp", Covers: []string{headerTime}},
			{Name: "delivery", Covers: []string{headerDelivery, headerTime}},
			{Name: "body"},
		},
		Fields: []signature.Field{
			{Header: headerTime, Grammar: signature.UnixTime, Required: true},
			{Header: headerDelivery, Grammar: signature.Opaque},
		},
	}
}

// twoForms returns a scheme with two forms. One covers two optional headers.
func twoForms() signature.Scheme {
	return signature.Scheme{
		Header: headerSignature,
		Forms:  []signature.Form{{Name: "head", Covers: []string{headerDelivery, headerTime}}, {Name: "body"}},
		Fields: []signature.Field{{Header: headerTime, Grammar: signature.UnixTime}, {Header: headerDelivery, Grammar: signature.Opaque}},
	}
}

// fullHeader returns all headers of headScheme except the signature.
func fullHeader() http.Header {
	return http.Header{headerTime: {testTime}, headerDelivery: {"dlv_1"}}
}

func newVerifier(t testing.TB, s signature.Scheme) *signature.Verifier {
	t.Helper()
	v, err := signature.NewVerifier(s)
	require.NoError(t, err)
	return v
}

func newRing(t testing.TB, keys ...signature.Key) *signature.Keyring {
	t.Helper()
	r, err := signature.NewKeyring(keys...)
	require.NoError(t, err)
	return r
}

func defaultRing(t testing.TB) *signature.Keyring {
	t.Helper()
	return newRing(t, signature.NewKey("default", testSecret))
}

// sign signs with testSecret.
func sign(t testing.TB, s signature.Scheme, form string, h http.Header, body []byte) {
	t.Helper()
	require.NoError(t, s.Sign(signature.NewKey("default", testSecret), form, h, body))
}

func referenceMAC(secret string, signed []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(signed)
	return m.Sum(nil)
}

func referenceHex(secret, signed string) string {
	return hex.EncodeToString(referenceMAC(secret, []byte(signed)))
}
