package signature_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
)

var visible = regexp.MustCompile(`\A[!-\-/-~]{1,128}\z`)

// listReference reads a list in the simplest way. It returns the time, and the texts of the signatures by version. A list
// without a time has no timeName.
func listReference(lines []string, separator, timeName string, versions map[string]*regexp.Regexp) (at string, found map[string][]string, err error) {
	joined := strings.Join(lines, separator)
	if joined == "" && len(lines) < 2 {
		return "", nil, signature.Missing
	}
	seen, n, found := false, 0, make(map[string][]string)
	for i, element := range strings.Split(joined, separator) {
		if separator == "," {
			element = strings.Trim(element, " ")
		}
		if i == 16 || element == "" {
			return "", nil, signature.Malformed
		}
		if value, ok := strings.CutPrefix(element, timeName+"="); ok && timeName != "" {
			if seen {
				return "", nil, signature.Repeated
			}
			if !unixTime.MatchString(value) {
				return "", nil, signature.Malformed
			}
			at, seen = value, true
		}
		for prefix, text := range versions {
			if value, ok := strings.CutPrefix(element, prefix); ok {
				if n++; n == 9 || !text.MatchString(value) {
					return "", nil, signature.Malformed
				}
				found[prefix] = append(found[prefix], value)
			}
		}
	}
	switch {
	case timeName != "" && !seen:
		return "", nil, signature.Missing
	case n == 0:
		return "", nil, signature.Malformed
	}
	return at, found, nil
}

// fill returns the lines of a header. A "@" in it is a good signature, a "#" is one with another secret, and a line break
// begins another line.
func fill(header, good, other string) []string {
	if header == "" {
		return nil
	}
	return strings.Split(strings.NewReplacer("@", good, "#", other).Replace(header), "\n")
}

func FuzzVerifyStripeAgreesWithReference(f *testing.F) {
	at := "t=" + signtest.Time
	for _, header := range []string{
		"", at + ",@", "@," + at, at + ", @", at + ",#,@", at + "\n@", at + "," + at + ",@", at + ",@,v0=x", "@", at + ",,@", at + ",v1=0,@", at + "," + strings.Repeat("#,", 7) + "@",
		at + "," + strings.Repeat("#,", 8) + "@", strings.Repeat("x,", 14) + "@," + at, strings.Repeat("x,", 15) + "@," + at, "t=+1795283259,@", " ", "\n", at + " , v1=@",
	} {
		f.Add("secret", header, signtest.Time, []byte("{}"))
	}
	f.Add("\x01", "t=1795283259123,@", "1795283259123", []byte("1795283259.{}"))
	f.Add("k", "t=1795283259,@", "1795283260", []byte(nil))
	scheme := signtest.StripeScheme()
	v, text := signtest.NewVerifier(f, scheme), map[string]*regexp.Regexp{"v1=": regexp.MustCompile(`\A[0-9A-Fa-f]{64}\z`)}

	f.Fuzz(func(t *testing.T, secret, header, stamp string, body []byte) {
		ring, err := signature.NewKeyring(scheme, signature.NewKey("k", secret))
		if err != nil {
			return
		}
		lines := fill(header, "v1="+signtest.Hex(secret, stamp+"."+string(body)), "v1="+signtest.Hex(secret+"x", stamp+"."+string(body)))
		h := http.Header{scheme.Header: lines}
		sent, found, want := listReference(lines, ",", "t", text)
		if want == nil {
			want = signature.Mismatch
			for _, claimed := range found["v1="] {
				if strings.ToLower(claimed) == hex.EncodeToString(signtest.MAC(secret, []byte(sent+"."+string(body)))) {
					want = nil
				}
			}
		}
		requireVerdict(t, v, ring, h, body, want)
	})
}

// requireVerdict requires that the delivery is accepted, or refused for that reason.
func requireVerdict(t *testing.T, v *signature.Verifier, ring *signature.Keyring, h http.Header, body []byte, want error) {
	t.Helper()
	match, err := v.Verify(ring, h, bytes.Clone(body))
	if want == nil {
		require.NoError(t, err)
		require.Equal(t, "k", match.Key)
		return
	}
	require.ErrorIs(t, err, want)
	require.Zero(t, match)
}

// A "%" in the header is a good Ed25519 signature.
func FuzzVerifyStandardWebhooksAgreesWithReference(f *testing.F) {
	for _, header := range []string{
		"", "@", "%", "@ %", "% @", "# @", "#\n@", "v2,x @", "@  #", " @", "v1, @", "v1a, @", "@,@", "@=", "v1,AAAA @", strings.Repeat("# ", 7) + "@", strings.Repeat("# ", 8) + "@", strings.Repeat("x ", 15) + "%",
		strings.Repeat("x ", 16) + "%", "v1a@", "V1,", "\n", "@\t#",
	} {
		f.Add("secret", false, header, "msg_1", signtest.Time, []byte("{}"))
		f.Add("seed", true, header, "msg_1", signtest.Time, []byte("{}"))
	}
	f.Add("secret", false, "@", "a.b", signtest.Time, []byte("{}"))
	f.Add("secret", false, "@", "a", "1e9", []byte("{}"))
	f.Add("secret", true, "%", "", "", []byte(nil))
	f.Add("secret", true, "%", strings.Repeat("~", 129), signtest.Time, []byte("\xff"))
	scheme := *standardwebhooks.Profile().Scheme
	v, text := signtest.NewVerifier(f, scheme), map[string]*regexp.Regexp{
		"v1,":  regexp.MustCompile(`\A[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=\z`), // the last bits must be zero
		"v1a,": regexp.MustCompile(`\A[A-Za-z0-9+/]{85}[AQgw]==\z`),
	}

	f.Fuzz(func(t *testing.T, secret string, public bool, header, id, stamp string, body []byte) {
		seed := make([]byte, ed25519.SeedSize)
		copy(seed, secret)
		private := ed25519.NewKeyFromSeed(seed)
		given := "whsec_" + base64.StdEncoding.EncodeToString([]byte(secret))
		if public {
			given = "whpk_" + base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
		}
		ring, err := signature.NewKeyring(scheme, signature.NewKey("k", given))
		if err != nil {
			require.Empty(t, strings.Trim(secret, "\x00"))
			return
		}
		signed := []byte(id + "." + stamp + "." + string(body))
		hmac := func(secret string) string { return base64.StdEncoding.EncodeToString(signtest.MAC(secret, signed)) }
		header = strings.ReplaceAll(header, "%", "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed)))
		lines := fill(header, "v1,"+hmac(secret), "v1,"+hmac(secret+"x"))
		h := http.Header{scheme.Header: lines, "Webhook-Id": {id}, "Webhook-Timestamp": {stamp}}

		_, found, want := listReference(lines, " ", "", text)
		switch {
		case want != nil:
		case id == "":
			want = signature.Missing
		case !visible.MatchString(id):
			want = signature.Malformed
		case stamp == "":
			want = signature.Missing
		case !unixTime.MatchString(stamp):
			want = signature.Malformed
		default:
			want = signature.Mismatch
			for _, claimed := range found["v1,"] {
				if !public && claimed == hmac(secret) {
					want = nil
				}
			}
			for _, claimed := range found["v1a,"] {
				sig, err := base64.StdEncoding.DecodeString(claimed)
				require.NoError(t, err)
				if public && ed25519.Verify(private.Public().(ed25519.PublicKey), signed, sig) {
					want = nil
				}
			}
		}
		requireVerdict(t, v, ring, h, body, want)
	})
}

// A template that compiles signs what a naive substitution gives, and the signed bytes can be split in one way only.
func FuzzFormSignsItsTemplate(f *testing.F) {
	for _, template := range []string{
		"", "{body}", "{t}.{body}", "v0:{t}:{body}", "{X-Acme-Delivery}.{t}.{body}", "{body}.{t}", "{t}\n{body}\n{X-Acme-Delivery}", "{X-Acme-Kind}.{body}", "a{body}b",
		"{t}..{body}", "{X-Acme-Delivery}.-.{t}.{body}", "{t}0.{body}", "{t}{body}", "{body}{body}", "{", "}", "{}", "{body}}", "{{body}}", "{b{ody}", "{T}.{body}", "{body}\xff.{t}", "{t}.{X-Acme-Kind}.{body}",
	} {
		f.Add(template, signtest.Time, "dlv_1", "k:1", []byte(`{"a":1}`))
		f.Add(template, "1795283259123", "-", "{body}", []byte("{t}."+signtest.Time))
	}
	f.Fuzz(func(t *testing.T, template, stamp, delivery, kind string, body []byte) {
		s := signtest.StripeScheme()
		s.Forms = []signature.Form{{Name: "only", Signs: template}}
		s.Fields = append(s.Fields, signature.Field{Header: signtest.HeaderDelivery, Grammar: signature.Opaque}, signature.Field{Header: "X-Acme-Kind", Grammar: signature.Visible})
		v, err := signature.NewVerifier(s)
		if err != nil {
			require.NotContains(t, []string{"", "{body}", "{t}.{body}", "v0:{t}:{body}"}, template)
			s.Forms[0].Covers()
			return
		}
		if !unixTime.MatchString(stamp) || !opaque.MatchString(delivery) || !visible.MatchString(kind) {
			return
		}
		values := map[string]string{"t": stamp, signtest.HeaderDelivery: delivery, "X-Acme-Kind": kind}
		h := make(http.Header)
		for name, value := range values {
			s.Set(h, name, value)
		}
		signtest.Sign(t, s, "", h, body)

		signed := string(body)
		if template != "" {
			signed = strings.NewReplacer("{body}", string(body), "{t}", stamp, "{"+signtest.HeaderDelivery+"}", delivery, "{X-Acme-Kind}", kind).Replace(template)
		}
		require.Equal(t, "t="+stamp+",v1="+signtest.Hex(signtest.Secret, signed), h.Get(s.Header))
		match, err := v.Verify(signtest.NewRingFor(t, s), h, body)
		require.NoError(t, err)
		require.Equal(t, sha256Sum(signed), match.Digest(h, body))
		var covered []string
		for _, name := range s.Forms[0].Covers() {
			require.True(t, match.Covers(name))
			covered = append(covered, values[name])
		}
		require.Equal(t, signed, string(s.Forms[0].Append(nil, covered, body)))

		for _, greed := range []string{"", "?"} {
			require.Equal(t, split(template, greed, signed), append(covered, string(body)), "split with greed %q", greed)
		}
	})
}

var placeholder = regexp.MustCompile(`\\\{(.*?)\\\}`)

// split splits the signed bytes into the values, in the order of the template, with the body last.
func split(template, greed, signed string) []string {
	if template == "" {
		template = "{body}"
	}
	grammars := map[string]string{"t": `([0-9]{9,13}`, "X-Acme-Kind": `([!-\-/-~]{1,128}`, signtest.HeaderDelivery: `([A-Za-z0-9_-]{1,128}`}
	pattern := placeholder.ReplaceAllStringFunc(regexp.QuoteMeta(latin1(template)), func(name string) string {
		name = strings.Trim(strings.ReplaceAll(name, `\`, ""), "{}")
		if name == "body" {
			return `(?P<body>[\x00-\xff]*` + greed + ")"
		}
		return grammars[name] + greed + ")"
	})
	compiled := regexp.MustCompile(`\A` + pattern + `\z`)
	found := compiled.FindStringSubmatch(latin1(signed))
	if found == nil {
		return nil
	}
	var values []string
	var body string
	for i, value := range found[1:] {
		if compiled.SubexpNames()[i+1] == "body" {
			body = fromLatin1(value)
		} else {
			values = append(values, fromLatin1(value))
		}
	}
	return append(values, body)
}

// latin1 returns a text with one character for each byte of s, because a regexp matches characters.
func latin1(s string) string {
	text := make([]rune, len(s))
	for i := range len(s) {
		text[i] = rune(s[i])
	}
	return string(text)
}

func fromLatin1(s string) string {
	text := make([]byte, 0, len(s))
	for _, c := range s {
		text = append(text, byte(c))
	}
	return string(text)
}
