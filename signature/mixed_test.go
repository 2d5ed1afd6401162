package signature_test

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// mixed is a scheme with a header, and two elements in the list.
func mixed() signature.Scheme {
	s := composite()
	s.Forms[0].Signs = "{X-Acme-Delivery}|{n}|{t}|{body}"
	s.Fields = []signature.Field{
		{Header: signtest.HeaderDelivery, Grammar: signature.Opaque}, {Element: "n", Grammar: signature.Opaque}, {Element: "t", Grammar: signature.UnixTime},
	}
	return s
}

func TestVerify_ReadsHeadersAndElements(t *testing.T) {
	s := mixed()
	good := "v1=" + signtest.Hex(signtest.Secret, "dlv_1|abc|"+signtest.Time+"|body")
	verify := func(value string) error {
		h := http.Header{signtest.HeaderDelivery: {"dlv_1"}, signtest.HeaderSignature: {value}}
		_, err := signtest.NewVerifier(t, s).Verify(signtest.NewRingFor(t, s), h, []byte("body"))
		return err
	}
	require.NoError(t, verify("n=abc,t="+signtest.Time+","+good))
	require.NoError(t, verify("t="+signtest.Time+","+good+", n=abc"))
	for _, noTime := range []string{"t", "=" + signtest.Time, "T=" + signtest.Time, "t:" + signtest.Time, "tt=" + signtest.Time} {
		requireRefused(t, verify("n=abc,"+noTime+","+good), signature.Missing, "t")
	}

	h := http.Header{signtest.HeaderDelivery: {"dlv_1"}, signtest.HeaderSignature: {"x=y, n=1, v1=00"}}
	require.Equal(t, []string{"1"}, s.Values(h, "n"))
	s.Set(h, "n", "abc")
	require.Equal(t, []string{"abc"}, s.Values(h, "n"))
	require.Contains(t, h.Get(signtest.HeaderSignature), "x=y")
	s.Set(h, "t", signtest.Time)
	signtest.Sign(t, s, "", h, []byte("body"))
	require.NoError(t, verify(h.Get(signtest.HeaderSignature)))
}

// A longer value can have as many characters, and begin with the MAC.
func TestVerify_RefusesLongerBase64(t *testing.T) {
	s := bodyScheme(signature.Version{Encoding: signature.Base64})
	mac := signtest.MAC(signtest.Secret, []byte("body"))
	longer := base64.StdEncoding.EncodeToString(append(mac, 'x'))
	require.Len(t, longer, len(base64.StdEncoding.EncodeToString(mac)))
	require.ErrorIs(t, verifyWith(t, s, signtest.Secret, longer), signature.Malformed)
}

func TestVerify_ComputesNothingForOtherVersions(t *testing.T) {
	s := bodyScheme(signature.Version{Prefix: "a=", KeyPrefixes: []string{"a_"}}, signature.Version{Prefix: "b=", KeyPrefixes: []string{"b_"}})
	ring := signtest.NewRingFor(t, s, signature.NewKey("b", "b_"+signtest.Secret))
	macs := signature.CountMACs(ring)
	_, err := signtest.NewVerifier(t, s).Verify(ring, http.Header{signtest.HeaderSignature: {"a=" + signtest.Hex(signtest.Secret, "body")}}, []byte("body"))
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	require.Zero(t, macs.Load())
}

func TestScheme_AllowsFourVersions(t *testing.T) {
	s := bodyScheme(signature.Version{Prefix: "a="}, signature.Version{Prefix: "b="}, signature.Version{Prefix: "c="}, signature.Version{Prefix: "d="})
	require.NoError(t, verifyWith(t, s, signtest.Secret, "a="+signtest.Hex(signtest.Secret, "body")))
}

func TestKeyring_ZeroValueTakesKeys(t *testing.T) {
	ring := new(signature.Keyring)
	require.NoError(t, ring.Set(signature.NewKey("default", signtest.Secret)))
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, http.Header{signtest.HeaderSignature: {signtest.Hex(signtest.Secret, "body")}}, []byte("body"))
	require.NoError(t, err)
}

func TestScheme_NewRandomKeySignsAndVerifies(t *testing.T) {
	for name, v := range map[string]signature.Version{
		"as it is": {}, "hex": {KeyEncoding: signature.Hex},
		"base64 after a prefix": {KeyEncoding: signature.Base64, KeyPrefixes: []string{"old_", "whsec_"}},
		"Ed25519":               {Algorithm: signature.Ed25519, KeyEncoding: signature.Base64, KeyPrefixes: []string{"whpk_"}},
	} {
		s := bodyScheme(v)
		key, other := s.NewRandomKey("random"), s.NewRandomKey("random")
		require.Equal(t, "random", key.Name)
		require.NotEqual(t, key.Secret.Reveal(), other.Secret.Reveal(), name)
		if len(v.KeyPrefixes) > 0 {
			require.Contains(t, key.Secret.Reveal(), v.KeyPrefixes[len(v.KeyPrefixes)-1])
		}
		version, raw, err := s.Decode(key.Secret)
		require.NoError(t, err)
		require.Equal(t, v.Prefix, version.Prefix)
		require.Len(t, raw, map[bool]int{false: 32, true: 64}[v.Algorithm == signature.Ed25519])
		h := make(http.Header)
		require.NoError(t, s.Sign(key, "", h, []byte("body")), name)
		require.NoError(t, verifyWith(t, s, key.Secret.Reveal(), h.Get(signtest.HeaderSignature)), name)
		require.Error(t, verifyWith(t, s, other.Secret.Reveal(), h.Get(signtest.HeaderSignature)), name)
	}
	require.Len(t, signtest.BodyScheme().NewRandomKey("a").Secret.Reveal(), 32)
}

func TestScheme_ReportsWhatItCannotRead(t *testing.T) {
	s := bodyScheme(signature.Version{KeyEncoding: signature.Hex})
	_, _, err := s.Decode(signature.NewSecret("no hex"))
	require.ErrorContains(t, err, "the secret must be in hex")
	_, err = s.Signatures(http.Header{signtest.HeaderSignature: {"no hex"}})
	require.ErrorIs(t, err, signature.Malformed)
	sigs, err := s.Signatures(http.Header{signtest.HeaderSignature: {signtest.Hex(signtest.Secret, "body")}})
	require.NoError(t, err)
	require.Equal(t, signtest.Hex(signtest.Secret, "body"), hex.EncodeToString(sigs[0].Bytes))
	require.Equal(t, signature.HMACSHA256, sigs[0].Version.Algorithm)
	invalid := signature.Scheme{}
	_, err = invalid.Signatures(http.Header{})
	require.Error(t, err)
	_, _, err = invalid.Decode(signature.NewSecret("a"))
	require.Error(t, err)
}
