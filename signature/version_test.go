package signature_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

func bodyScheme(versions ...signature.Version) signature.Scheme {
	s := signtest.BodyScheme()
	s.Versions = versions
	return s
}

func verifyWith(t *testing.T, s signature.Scheme, secret, value string) error {
	t.Helper()
	_, err := signtest.NewVerifier(t, s).Verify(signtest.NewRingFor(t, s, signature.NewKey("default", secret)), http.Header{signtest.HeaderSignature: {value}}, []byte("body"))
	return err
}

func TestVerify_ComputesEachAlgorithm(t *testing.T) {
	for algorithm, newHash := range map[signature.Algorithm]func() hash.Hash{
		"": sha256.New, signature.HMACSHA256: sha256.New, signature.HMACSHA512: sha512.New, signature.WeakHMACSHA1: sha1.New,
	} {
		m := hmac.New(newHash, []byte(signtest.Secret))
		m.Write([]byte("body"))
		sum := m.Sum(nil)
		for encoding, text := range map[signature.Encoding]string{
			"": hex.EncodeToString(sum), signature.Hex: hex.EncodeToString(sum), signature.Base64: base64.StdEncoding.EncodeToString(sum),
		} {
			s := bodyScheme(signature.Version{Algorithm: algorithm, Encoding: encoding})
			require.NoError(t, verifyWith(t, s, signtest.Secret, text), "%s %s", algorithm, encoding)
			require.ErrorIs(t, verifyWith(t, s, "another", text), signature.Mismatch)
			h := make(http.Header)
			signtest.Sign(t, s, "", h, []byte("body"))
			require.Equal(t, text, h.Get(signtest.HeaderSignature))
			require.ErrorIs(t, verifyWith(t, s, signtest.Secret, text[:len(text)-1]), signature.Malformed)
			require.ErrorIs(t, verifyWith(t, s, signtest.Secret, text+"="), signature.Malformed)
			require.ErrorIs(t, verifyWith(t, s, signtest.Secret, " "+text), signature.Malformed)
		}
		require.True(t, cmpAlgorithm(algorithm).Verify([]byte(signtest.Secret), []byte("body"), sum))
		require.False(t, cmpAlgorithm(algorithm).Verify([]byte("another"), []byte("body"), sum))
		require.False(t, cmpAlgorithm(algorithm).Verify([]byte(signtest.Secret), []byte("body"), sum[1:]))
	}
}

func cmpAlgorithm(a signature.Algorithm) signature.Algorithm {
	if a == "" {
		return signature.HMACSHA256
	}
	return a
}

// Every text of base64 has one meaning, and every meaning one text.
func TestVerify_RefusesOtherBase64(t *testing.T) {
	s := bodyScheme(signature.Version{Encoding: signature.Base64})
	good := base64.StdEncoding.EncodeToString(signtest.MAC(signtest.Secret, []byte("body")))
	require.NoError(t, verifyWith(t, s, signtest.Secret, good))
	last := strings.IndexByte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", good[42])
	for name, text := range map[string]string{
		"without padding":    strings.TrimRight(good, "="),
		"more padding":       good + "=",
		"unused bits":        good[:42] + string("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[last|1]) + "=",
		"a line break":       good[:20] + "\n" + good[21:],
		"one more":           good[:20] + "\n" + good[20:],
		"alphabet of URLs":   strings.Repeat("-", 43) + "=",
		"hex":                signtest.Hex(signtest.Secret, "body"),
		"padding in between": good[:20] + "=" + good[21:],
	} {
		require.ErrorIs(t, verifyWith(t, s, signtest.Secret, text), signature.Malformed, name)
	}
}

func TestVerify_DecodesSecrets(t *testing.T) {
	raw := "\x00\x01 some bytes \xff\xfe"
	mac := signtest.Hex(raw, "body")
	hexed, based := hex.EncodeToString([]byte(raw)), base64.StdEncoding.EncodeToString([]byte(raw))
	for name, c := range map[string]struct {
		version signature.Version
		given   string
	}{
		"as it is":          {signature.Version{}, raw},
		"hex":               {signature.Version{KeyEncoding: signature.Hex}, hexed},
		"base64":            {signature.Version{KeyEncoding: signature.Base64}, based},
		"base64, last bits": {signature.Version{KeyEncoding: signature.Base64}, based[:len(based)-3] + "h=="},
		"a prefix":          {signature.Version{KeyEncoding: signature.Base64, KeyPrefixes: []string{"whsec_"}}, "whsec_" + based},
		"an omitted prefix": {signature.Version{KeyEncoding: signature.Base64, KeyPrefixes: []string{"whsec_"}}, based},
		"the second prefix": {signature.Version{KeyPrefixes: []string{"a_", "b_"}}, "b_" + raw},
	} {
		require.NoError(t, verifyWith(t, bodyScheme(c.version), c.given, mac), name)
	}
}

func TestKeyring_RefusesUndecodableSecrets(t *testing.T) {
	secret := signature.Version{KeyEncoding: signature.Base64, KeyPrefixes: []string{"whsec_"}}
	public := signature.Version{Algorithm: signature.Ed25519, KeyEncoding: signature.Base64, KeyPrefixes: []string{"whpk_"}}
	for name, c := range map[string]struct {
		version     signature.Version
		given, says string
	}{
		"no base64":      {secret, "whsec_!!!!", "must be in base64 after the prefix whsec_"},
		"no padding":     {secret, "whsec_YQ", "must be in base64"},
		"no hex":         {signature.Version{KeyEncoding: signature.Hex}, "xyz1", "must be in hex"},
		"only a prefix":  {secret, "whsec_", "is blank"},
		"only NULs":      {secret, "whsec_AAAA", "is blank"},
		"a short key":    {public, "whpk_c2hvcnQ=", "must be an Ed25519 public key of 32 bytes after the prefix whpk_, not 5 bytes"},
		"another prefix": {public, "other_YQ==", "must be in base64"},
	} {
		ring := signtest.NewRingFor(t, bodyScheme(c.version), usableKey(c.version))
		err := ring.Set(signature.NewKey("mine", c.given))
		require.ErrorContains(t, err, c.says, name)
		require.ErrorContains(t, err, `"mine"`)
		require.NotContains(t, err.Error(), c.given)
		require.Equal(t, []string{"usable"}, ring.Names())
		_, err = signature.NewKeyring(bodyScheme(c.version), signature.NewKey("mine", c.given))
		require.ErrorContains(t, err, c.says)
		require.ErrorContains(t, bodyScheme(c.version).Sign(signature.NewKey("mine", c.given), "", http.Header{}, nil), c.says)
	}
}

func usableKey(v signature.Version) signature.Key {
	raw := make([]byte, 32)
	raw[0] = 1
	if v.KeyEncoding == signature.Hex {
		return signature.NewKey("usable", hex.EncodeToString(raw))
	}
	return signature.NewKey("usable", base64.StdEncoding.EncodeToString(raw))
}

func TestVerify_Ed25519(t *testing.T) {
	s := bodyScheme(signature.Version{Algorithm: signature.Ed25519, KeyEncoding: signature.Base64, KeyPrefixes: []string{"public_", "private_"}})
	private := ed25519.NewKeyFromSeed([]byte("a seed of thirty-two bytes, fine"))
	public := private.Public().(ed25519.PublicKey)
	publicText, privateText := "public_"+base64.StdEncoding.EncodeToString(public), "private_"+base64.StdEncoding.EncodeToString(private)
	text := hex.EncodeToString(ed25519.Sign(private, []byte("body")))
	require.NoError(t, verifyWith(t, s, publicText, text))
	require.NoError(t, verifyWith(t, s, privateText, text))
	require.ErrorIs(t, verifyWith(t, s, publicText, "00"+text[2:]), signature.Mismatch)
	require.ErrorIs(t, verifyWith(t, s, publicText, strings.Repeat("0", 128)), signature.Mismatch)

	h := make(http.Header)
	require.NoError(t, s.Sign(signature.NewKey("a", privateText), "", h, []byte("body")))
	require.Equal(t, text, h.Get(signtest.HeaderSignature))
	require.ErrorContains(t, s.Sign(signature.NewKey("a", publicText), "", h, []byte("body")), "a public key cannot sign")

	require.True(t, signature.Ed25519.Verify(public, []byte("body"), ed25519.Sign(private, []byte("body"))))
	require.True(t, signature.Ed25519.Verify(private, []byte("body"), ed25519.Sign(private, []byte("body"))))
	require.False(t, signature.Ed25519.Verify(public, []byte("other"), ed25519.Sign(private, []byte("body"))))
	require.False(t, signature.Ed25519.Verify([]byte("short"), []byte("body"), ed25519.Sign(private, []byte("body"))))
}

// The seed of a private key and a public key have the same size. Only the prefix distinguishes them.
func TestVerify_Ed25519Seed(t *testing.T) {
	version := signature.Version{Algorithm: signature.Ed25519, KeyEncoding: signature.Base64, KeyPrefixes: []string{"public_"}, SeedPrefixes: []string{"private_"}}
	s := bodyScheme(version)
	seed := []byte("a seed of thirty-two bytes, fine")
	private := ed25519.NewKeyFromSeed(seed)
	text := hex.EncodeToString(ed25519.Sign(private, []byte("body")))
	for _, raw := range [][]byte{seed, private} {
		given := "private_" + base64.StdEncoding.EncodeToString(raw)
		require.NoError(t, verifyWith(t, s, given, text))
		h := make(http.Header)
		require.NoError(t, s.Sign(signature.NewKey("a", given), "", h, []byte("body")))
		require.Equal(t, text, h.Get(signtest.HeaderSignature))
		_, decoded, err := s.Decode(signature.NewSecret(given))
		require.NoError(t, err)
		require.Equal(t, []byte(private), decoded)
	}
	require.ErrorIs(t, verifyWith(t, s, "public_"+base64.StdEncoding.EncodeToString(seed), text), signature.Mismatch)

	version.Algorithm = ""
	_, err := signature.NewVerifier(bodyScheme(version))
	require.ErrorContains(t, err, "only a Version of Ed25519 may have SeedPrefixes")
}

// The secret of one version must not verify a signature of another, even of the same bytes.
func TestVerify_SeparatesVersions(t *testing.T) {
	s := bodyScheme(signature.Version{Prefix: "a=", KeyPrefixes: []string{"a_"}}, signature.Version{Prefix: "b=", KeyPrefixes: []string{"b_"}})
	mac := signtest.Hex(signtest.Secret, "body")
	require.NoError(t, verifyWith(t, s, "a_"+signtest.Secret, "a="+mac))
	require.NoError(t, verifyWith(t, s, "b_"+signtest.Secret, "b="+mac))
	require.NoError(t, verifyWith(t, s, signtest.Secret, "a="+mac), "a secret without a prefix is for the first version")
	require.ErrorIs(t, verifyWith(t, s, "a_"+signtest.Secret, "b="+mac), signature.Mismatch)
	require.ErrorIs(t, verifyWith(t, s, "b_"+signtest.Secret, "a="+mac), signature.Mismatch)
	require.ErrorIs(t, verifyWith(t, s, "a_"+signtest.Secret, mac), signature.Malformed)
}

func TestVerify_AllocatesNothingForNewSchemes(t *testing.T) {
	if raceEnabled {
		return // the race detector allocates
	}
	s := composite()
	v, ring := signtest.NewVerifier(t, s), signtest.NewRingFor(t, s)
	h, body := http.Header{signtest.HeaderSignature: {"t=" + signtest.Time + ",v0=00," + compositeMAC(signtest.Secret)}}, []byte("body")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := v.Verify(ring, h, body); err != nil {
			t.Fatal(err)
		}
	}))
}

// A ring may be for another scheme by mistake. A public key must then not become the secret of a MAC, which anyone can make.
func TestVerify_KeyOfAnotherSchemeVerifiesNothing(t *testing.T) {
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	asym := signature.Scheme{Header: "X-Signature", Versions: []signature.Version{{Algorithm: signature.Ed25519}}, Forms: []signature.Form{{Name: "body"}}}
	sym := signature.Scheme{Header: "X-Signature", Forms: []signature.Form{{Name: "body"}}}
	body := []byte("{}")
	for algorithm, scheme := range map[signature.Algorithm]signature.Scheme{signature.Ed25519: asym, signature.HMACSHA512: {
		Header: "X-Signature", Versions: []signature.Version{{Algorithm: signature.HMACSHA512}}, Forms: []signature.Form{{Name: "body"}},
	}} {
		verifier, err := signature.NewVerifier(scheme)
		require.NoError(t, err)
		mac := hmac.New(sha256.New, public)
		mac.Write(body)
		forged := http.Header{"X-Signature": {hex.EncodeToString(append(mac.Sum(nil), make([]byte, 32)...))}}

		ring := new(signature.Keyring) // for the zero Scheme's versions
		require.NoError(t, ring.Set(signature.NewKey("a", string(public))))
		_, err = verifier.Verify(ring, forged, body)
		require.ErrorIs(t, err, signature.Mismatch, algorithm)
		ring, err = signature.NewKeyring(sym, signature.NewKey("a", string(public)))
		require.NoError(t, err)
		_, err = verifier.Verify(ring, forged, body)
		require.ErrorIs(t, err, signature.Mismatch, algorithm)
	}

	verifier, err := signature.NewVerifier(sym)
	require.NoError(t, err)
	two := signature.Scheme{Header: "X-Signature", Versions: []signature.Version{{Prefix: "a="}, {Prefix: "b=", KeyPrefixes: []string{"b_"}}}, Forms: []signature.Form{{Name: "body"}}}
	for scheme, secret := range map[*signature.Scheme]string{&asym: string(private), &two: "b_secret"} {
		ring, err := signature.NewKeyring(*scheme, signature.NewKey("a", secret))
		require.NoError(t, err)
		_, err = verifier.Verify(ring, http.Header{"X-Signature": {hex.EncodeToString(make([]byte, 32))}}, body)
		require.ErrorIs(t, err, signature.Mismatch)
	}
}

// A seed of zeros is as public as a blank secret.
func TestNewKeyring_RefusesBlankSeed(t *testing.T) {
	s := bodyScheme(signature.Version{Algorithm: signature.Ed25519, KeyEncoding: signature.Base64, SeedPrefixes: []string{"whsk_"}})
	for _, size := range []int{32, 64} {
		raw := make([]byte, size)
		if size == 64 {
			raw = ed25519.NewKeyFromSeed(raw[:32])
		}
		_, err := signature.NewKeyring(s, signature.NewKey("a", "whsk_"+base64.StdEncoding.EncodeToString(raw)))
		require.ErrorContains(t, err, `the secret of key "a" is blank`, size)
	}
}
