package signtest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// The headers of the made-up vendor.
const (
	HeaderSignature = "X-Acme-Signature"
	HeaderTime      = "X-Acme-Time"
	HeaderDelivery  = "X-Acme-Delivery"
)

const (
	Secret = "whsec-correct-horse-battery-staple"
	Time   = "1795283259" // in seconds
)

// BodyScheme returns a scheme that signs only the body.
func BodyScheme() signature.Scheme {
	return signature.Scheme{Header: HeaderSignature, Forms: []signature.Form{{Name: "body"}}}
}

// HeadScheme returns a scheme with three forms, with and without a prefix.
func HeadScheme() signature.Scheme {
	return signature.Scheme{
		Header:   HeaderSignature,
		Versions: []signature.Version{{Prefix: "sha256="}},
		Forms: []signature.Form{
			{Name: "timestamp", Signs: Dotted(HeaderTime)},
			{Name: "delivery", Signs: Dotted(HeaderDelivery, HeaderTime)},
			{Name: "body"},
		},
		Fields: []signature.Field{
			{Header: HeaderTime, Grammar: signature.UnixTime, Required: true},
			{Header: HeaderDelivery, Grammar: signature.Opaque},
		},
	}
}

// TwoForms returns a scheme with two forms. One covers two optional headers.
func TwoForms() signature.Scheme {
	return signature.Scheme{
		Header: HeaderSignature,
		Forms:  []signature.Form{{Name: "head", Signs: Dotted(HeaderDelivery, HeaderTime)}, {Name: "body"}},
		Fields: []signature.Field{{Header: HeaderTime, Grammar: signature.UnixTime}, {Header: HeaderDelivery, Grammar: signature.Opaque}},
	}
}

// Dotted returns the template of values that are each followed by a dot, and of the body. Without values it is empty.
func Dotted(names ...string) string {
	if len(names) == 0 {
		return ""
	}
	return "{" + strings.Join(names, "}.{") + "}.{body}"
}

// FullHeader returns all headers of HeadScheme except the signature.
func FullHeader() http.Header {
	return http.Header{HeaderTime: {Time}, HeaderDelivery: {"dlv_1"}}
}

// NewVerifier returns a verifier of the scheme.
func NewVerifier(t testing.TB, s signature.Scheme) *signature.Verifier {
	t.Helper()
	v, err := signature.NewVerifier(s)
	require.NoError(t, err)
	return v
}

// NewRing returns a key ring with the keys.
func NewRing(t testing.TB, keys ...signature.Key) *signature.Keyring {
	t.Helper()
	return NewRingFor(t, BodyScheme(), keys...)
}

// NewRingFor returns a key ring for a scheme. Without keys it has Secret.
func NewRingFor(t testing.TB, s signature.Scheme, keys ...signature.Key) *signature.Keyring {
	t.Helper()
	if len(keys) == 0 {
		keys = []signature.Key{signature.NewKey("default", Secret)}
	}
	r, err := signature.NewKeyring(s, keys...)
	require.NoError(t, err)
	return r
}

// DefaultRing returns a key ring with Secret.
func DefaultRing(t testing.TB) *signature.Keyring {
	t.Helper()
	return NewRingFor(t, BodyScheme())
}

// Sign signs with Secret.
func Sign(t testing.TB, s signature.Scheme, form string, h http.Header, body []byte) {
	t.Helper()
	require.NoError(t, s.Sign(signature.NewKey("default", Secret), form, h, body))
}

// MAC returns the HMAC-SHA256. It does not use package signature, which is under test.
func MAC(secret string, signed []byte) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(signed)
	return m.Sum(nil)
}

// Hex returns the same HMAC in hex.
func Hex(secret, signed string) string {
	return hex.EncodeToString(MAC(secret, []byte(signed)))
}
