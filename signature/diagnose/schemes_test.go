package diagnose_test

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// standard is the scheme of Standard Webhooks.
func standard() signature.Scheme {
	return signature.Scheme{
		Header: "Webhook-Signature", Separator: " ",
		Versions: []signature.Version{
			{Prefix: "v1,", Encoding: signature.Base64, KeyEncoding: signature.Base64, KeyPrefixes: []string{"whsec_"}},
			{Prefix: "v1a,", Algorithm: signature.Ed25519, Encoding: signature.Base64, KeyEncoding: signature.Base64, KeyPrefixes: []string{"whpk_"}},
		},
		Forms: []signature.Form{{Name: "id.timestamp.body", Signs: "{Webhook-Id}.{Webhook-Timestamp}.{body}"}},
		Fields: []signature.Field{
			{Header: "Webhook-Id", Grammar: signature.Visible, Required: true}, {Header: "Webhook-Timestamp", Grammar: signature.UnixTime, Required: true},
		},
	}
}

const (
	rawSecret   = "thirty-two bytes of a raw secret"
	signedBytes = "msg_1." + signtest.Time + ".body"
)

var (
	whsec   = "whsec_" + base64.StdEncoding.EncodeToString([]byte(rawSecret))
	private = ed25519.NewKeyFromSeed([]byte(rawSecret))
	whpk    = "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	sealed  = ed25519.Sign(private, []byte(signedBytes))
)

// in64 returns the MAC over the signed bytes, in base64.
func in64(secret string) string {
	return base64.StdEncoding.EncodeToString(signtest.MAC(secret, []byte(signedBytes)))
}

func explainStandard(t *testing.T, value string, secrets ...string) diagnose.Explanation {
	t.Helper()
	keys := make([]signature.Key, len(secrets))
	for i, secret := range secrets {
		keys[i] = signature.NewKey(string(rune('a'+i)), secret)
	}
	return diagnose.Explain(diagnose.Input{
		Scheme: standard(), Keys: signtest.NewRingFor(t, standard(), keys...), Body: []byte("body"), Declared: 4,
		Header: http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {signtest.Time}, "Webhook-Signature": {value}},
	})
}

func TestExplain_UnderstandsListsAndBase64(t *testing.T) {
	twice := base64.StdEncoding.EncodeToString([]byte(whsec))
	for name, c := range map[string]struct {
		value   string
		secrets []string
		cause   diagnose.Cause
		says    string
	}{
		"right":                        {"v1," + in64(rawSecret), []string{whsec}, diagnose.None, "nothing is wrong"},
		"right, the second":            {"v1," + in64("x") + " v1," + in64(rawSecret), []string{whsec}, diagnose.None, "nothing is wrong"},
		"right, Ed25519":               {"v1a," + base64.StdEncoding.EncodeToString(sealed), []string{whpk}, diagnose.None, "nothing is wrong"},
		"right, the second key":        {"v1," + in64(rawSecret), []string{whpk, whsec}, diagnose.None, "nothing is wrong"},
		"right, after another version": {"v1a," + base64.StdEncoding.EncodeToString(sealed) + " v1," + in64(rawSecret), []string{whsec}, diagnose.None, "nothing is wrong"},
		"another secret":               {"v1," + in64("x"), []string{whsec}, diagnose.Unexplained, "forged"},
		"no prefix":                    {in64(rawSecret), []string{whsec}, diagnose.MACPrefix, "lacks the prefix; it must have 44 characters of base64, with the prefix v1,"},
		"quotes, no prefix":            {`"` + in64(rawSecret) + `"`, []string{whsec}, diagnose.MACQuoted, "whitespace or quotes"},
		"another prefix":               {"v2," + in64(rawSecret), []string{whsec}, diagnose.MACPrefix, "another prefix"},
		"in hex":                       {"v1," + hex.EncodeToString(signtest.MAC(rawSecret, []byte(signedBytes))), []string{whsec}, diagnose.MACInHex, "has it in hex"},
		"quotes":                       {`"v1,` + in64(rawSecret) + `"`, []string{whsec}, diagnose.MACPrefix, "another prefix"},
		"Ed25519 in hex":               {"v1a," + hex.EncodeToString(sealed), []string{whpk}, diagnose.MACInHex, "has it in hex; it must have 88 characters of base64, with the prefix v1a,"},
		"Ed25519, another":             {"v1a," + hex.EncodeToString(sealed[1:]) + "00", []string{whpk}, diagnose.HeaderMalformed, "is not one Ed25519 in base64"},
		"both kinds of keys":           {in64("x"), []string{whsec, whpk}, diagnose.HeaderMalformed, "44 characters of base64, with the prefix v1,, or 88 characters of base64, with the prefix v1a,"},
		"by the second key":            {in64(rawSecret), []string{whpk, whsec}, diagnose.MACPrefix, "lacks the prefix"},
		"the text as secret":           {"v1," + in64(whsec), []string{whsec}, diagnose.SecretDecoded, "was decoded from base64, but the sender uses its text as it is"},
		"encoded twice":                {"v1," + in64(rawSecret), []string{twice}, diagnose.SecretEncoded, "must be decoded from base64"},
		"not encoded at all":           {"v1," + in64("other"), []string{twice}, diagnose.Unexplained, ""},
		"too many and forged":          {strings.TrimSpace(strings.Repeat("v1,"+in64("x")+" ", 9)), []string{whsec}, diagnose.HeaderMalformed, "has too many signatures: it must have 44"},
	} {
		t.Run(name, func(t *testing.T) {
			e := explainStandard(t, c.value, c.secrets...)
			require.Equal(t, c.cause, e.Cause, e.Text)
			require.Contains(t, e.Text, c.says)
			require.NotContains(t, e.Text, in64(rawSecret))
		})
	}
}

func TestExplain_NamesElements(t *testing.T) {
	s := signature.Scheme{
		Header: "Stripe-Signature", Separator: ",", Versions: []signature.Version{{Prefix: "v1="}},
		Forms:  []signature.Form{{Name: "v1", Signs: "{t}.{body}"}},
		Fields: []signature.Field{{Element: "t", Grammar: signature.UnixTime, Required: true}},
	}
	v1 := func(at string) string { return "v1=" + signtest.Hex(signtest.Secret, at+".body") }
	for name, c := range map[string]struct {
		lines []string
		cause diagnose.Cause
		says  string
	}{
		"right":                {[]string{"t=" + signtest.Time + "," + v1(signtest.Time)}, diagnose.TimeStale, "the signed time is"},
		"right, in two lines":  {[]string{"t=" + signtest.Time, v1(signtest.Time)}, diagnose.TimeStale, "the signed time is"},
		"no time":              {[]string{v1(signtest.Time)}, diagnose.HeaderMissing, "the element t of the header Stripe-Signature is missing, and the signature needs it"},
		"the time twice":       {[]string{"t=1,t=2," + v1(signtest.Time)}, diagnose.HeaderRepeated, "the element t of the header Stripe-Signature appears 2 times"},
		"an empty time":        {[]string{"t=," + v1(signtest.Time)}, diagnose.HeaderMissing, "the element t of the header Stripe-Signature is present but empty"},
		"a date":               {[]string{"t=2026-11-22," + v1(signtest.Time)}, diagnose.HeaderMalformed, "the element t of the header Stripe-Signature has no valid time"},
		"signed milliseconds":  {[]string{"t=" + signtest.Time + "," + v1(signtest.Time+"000")}, diagnose.TimeUnit, "milliseconds, but the element t of the header Stripe-Signature has it in seconds"},
		"only another version": {[]string{"t=" + signtest.Time + ",v0=00"}, diagnose.HeaderMalformed, "has no HMAC-SHA256 in hex: it must have 64 hex digits, with the prefix v1="},
		"empty":                {[]string{""}, diagnose.HeaderMissing, "the header Stripe-Signature is present but empty"},
	} {
		t.Run(name, func(t *testing.T) {
			e := diagnose.Explain(diagnose.Input{
				Scheme: s, Keys: signtest.NewRingFor(t, s), Header: http.Header{"Stripe-Signature": c.lines}, Body: []byte("body"),
				Window: signature.Window{Past: time.Minute}, Now: time.Unix(1795283259, 0).Add(time.Hour),
			})
			require.Equal(t, c.cause, e.Cause, e.Text)
			require.Contains(t, e.Text, c.says)
		})
	}
}

func TestExplain_ListIsMissing(t *testing.T) {
	e := diagnose.Explain(diagnose.Input{Scheme: standard(), Keys: signtest.NewRingFor(t, standard(), signature.NewKey("a", whsec)), Header: http.Header{}})
	require.Equal(t, diagnose.HeaderMissing, e.Cause)
	require.Contains(t, e.Text, "the header Webhook-Signature is missing")
}

func TestExplain_NamesAlgorithmOfScheme(t *testing.T) {
	s := signtest.BodyScheme()
	s.Versions = []signature.Version{{Prefix: "a=", Algorithm: signature.HMACSHA512}, {Prefix: "b=", Algorithm: signature.WeakHMACSHA1}}
	m512 := hmac.New(sha512.New, []byte(signtest.Secret))
	m512.Write([]byte("body"))
	for value, want := range map[string]struct {
		cause diagnose.Cause
		says  string
	}{
		"a=" + hex.EncodeToString(m512.Sum(nil)):                  {diagnose.None, "nothing is wrong"},
		hex.EncodeToString(m512.Sum(nil)):                         {diagnose.MACPrefix, "lacks the prefix; it must have 128 hex digits, with the prefix a="},
		base64.StdEncoding.EncodeToString(m512.Sum(nil)):          {diagnose.MACInBase64, "has it in base64"},
		"a=" + signtest.Hex(signtest.Secret, "body"):              {diagnose.MACAlgorithm, "has it as an HMAC-SHA256"},
		"a=" + strings.Repeat("0", 2*sha256.Size):                 {diagnose.HeaderMalformed, "is not one HMAC-SHA512 in hex or HMAC-SHA1 in hex, with the prefix a="},
		strings.Repeat("0", 2*sha256.Size):                        {diagnose.HeaderMalformed, "with the prefix a=: it has hex digits, but not 128"},
		base64.StdEncoding.EncodeToString(make([]byte, 64)):       {diagnose.HeaderMalformed, "it looks like base64"},
		base64.StdEncoding.EncodeToString(make([]byte, 64)) + "=": {diagnose.HeaderMalformed, "with the prefix a="},
	} {
		e := diagnose.Explain(diagnose.Input{
			Scheme: s, Keys: signtest.NewRingFor(t, s), Header: http.Header{signtest.HeaderSignature: {value}}, Body: []byte("body"),
		})
		require.Equal(t, want.cause, e.Cause, "%s: %s", value, e.Text)
		require.Contains(t, e.Text, want.says)
	}
}

func TestExplain_LooksLikeHex(t *testing.T) {
	s := signtest.BodyScheme()
	s.Versions = []signature.Version{{Encoding: signature.Base64}}
	e := diagnose.Explain(diagnose.Input{
		Scheme: s, Keys: signtest.NewRingFor(t, s), Header: http.Header{signtest.HeaderSignature: {strings.Repeat("0", 64)}}, Body: []byte("body"),
	})
	require.Equal(t, diagnose.HeaderMalformed, e.Cause)
	require.Contains(t, e.Text, "is not one HMAC-SHA256 in base64, without a prefix: it looks like hex")
	e = diagnose.Explain(diagnose.Input{
		Scheme: s, Keys: signtest.NewRingFor(t, s), Body: []byte("body"),
		Header: http.Header{signtest.HeaderSignature: {"-" + base64.StdEncoding.EncodeToString(make([]byte, 32))}},
	})
	require.NotContains(t, e.Text, "looks like")
	e = diagnose.Explain(diagnose.Input{
		Scheme: s, Keys: signtest.NewRingFor(t, s), Body: []byte("body"),
		Header: http.Header{signtest.HeaderSignature: {base64.RawURLEncoding.EncodeToString(make([]byte, 32))}},
	})
	require.NotContains(t, e.Text, "looks like", "it is base64")
}

func TestExplain_NamesLifetime(t *testing.T) {
	noon := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	early := signature.NewKey("later", signtest.Secret)
	early.NotBefore, early.NotAfter = noon, noon.Add(time.Hour)
	explainAt := func(at time.Time, keys ...signature.Key) diagnose.Explanation {
		s, h := signtest.BodyScheme(), make(http.Header)
		signtest.Sign(t, s, "", h, []byte("body"))
		return diagnose.Explain(diagnose.Input{Scheme: s, Keys: signtest.NewRingFor(t, s, keys...), Header: h, Body: []byte("body"), Now: at})
	}
	e := explainAt(noon.Add(-time.Minute), early, signature.NewKey("other", "another secret"))
	require.Equal(t, diagnose.KeyLifetime, e.Cause)
	require.Contains(t, e.Text, `the key "later", which is valid only from 2026-11-27T12:00:00Z until 2026-11-27T13:00:00Z`)
	require.Equal(t, diagnose.None, explainAt(noon, early).Cause)
	require.Equal(t, diagnose.KeyLifetime, explainAt(noon.Add(time.Hour), early).Cause)
}
