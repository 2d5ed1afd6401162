package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// composite is a scheme with the time and the signatures in one header.
func composite() signature.Scheme {
	return signature.Scheme{
		Header:    signtest.HeaderSignature,
		Separator: ",",
		Versions:  []signature.Version{{Prefix: "v1="}},
		Forms:     []signature.Form{{Name: "v1", Signs: "{t}.{body}"}},
		Fields:    []signature.Field{{Element: "t", Grammar: signature.UnixTime, Required: true}},
	}
}

// compositeMAC returns the signature of "body" at signtest.Time.
func compositeMAC(secret string) string { return "v1=" + signtest.Hex(secret, signtest.Time+".body") }

func TestVerify_ReadsLists(t *testing.T) {
	good, other, at := compositeMAC(signtest.Secret), compositeMAC("another secret"), "t="+signtest.Time
	for name, c := range map[string]struct {
		lines []string
		want  signature.Reason // "" if accepted
	}{
		"one":                            {[]string{at + "," + good}, ""},
		"the time last":                  {[]string{good + "," + at}, ""},
		"spaces after commas":            {[]string{at + ", " + good}, ""},
		"the second of two":              {[]string{at + "," + other + "," + good}, ""},
		"the first of two":               {[]string{at + "," + good + "," + other}, ""},
		"the last of eight":              {[]string{at + strings.Repeat(","+other, 7) + "," + good}, ""},
		"the ninth":                      {[]string{at + strings.Repeat(","+other, 8) + "," + good}, signature.Malformed},
		"several lines":                  {[]string{at, other, good}, ""},
		"other versions":                 {[]string{at + ",v0=" + strings.Repeat("a", 64) + ",v2=xyz," + good}, ""},
		"an element without a value":     {[]string{at + ",x," + good}, ""},
		"upper case digits":              {[]string{at + ",v1=" + strings.ToUpper(good[3:])}, ""},
		"only other versions":            {[]string{at + ",v0=" + good[3:]}, signature.Malformed},
		"version in another case":        {[]string{at + ",V1=" + good[3:]}, signature.Malformed},
		"no time":                        {[]string{good}, signature.Missing},
		"an empty time":                  {[]string{"t=," + good}, signature.Malformed},
		"the time twice":                 {[]string{at + "," + at + "," + good}, signature.Repeated},
		"the time in two lines":          {[]string{at + "," + good, at}, signature.Repeated},
		"another time":                   {[]string{"t=1795283260," + good}, signature.Mismatch},
		"no digits":                      {[]string{"t=soon," + good}, signature.Malformed},
		"a signature that is no hex":     {[]string{at + ",v1=zz," + good}, signature.Malformed},
		"a signature that is too short":  {[]string{at + "," + good[:len(good)-2] + "," + good}, signature.Malformed},
		"an empty element":               {[]string{at + ",," + good}, signature.Malformed},
		"a comma at the end":             {[]string{at + "," + good + ","}, signature.Malformed},
		"an empty line":                  {[]string{at + "," + good, ""}, signature.Malformed},
		"sixteen elements":               {[]string{at + strings.Repeat(",x=1", 14) + "," + good}, ""},
		"seventeen elements":             {[]string{at + strings.Repeat(",x=1", 15) + "," + good}, signature.Malformed},
		"another secret":                 {[]string{at + "," + other}, signature.Mismatch},
		"empty":                          {[]string{""}, signature.Missing},
		"none":                           {nil, signature.Missing},
		"another separator":              {[]string{at + ";" + good}, signature.Malformed},
		"a time with a name that begins": {[]string{"tt=1,t2=2," + at + "," + good}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			match, err := signtest.NewVerifier(t, composite()).Verify(signtest.NewRingFor(t, composite()), http.Header{signtest.HeaderSignature: c.lines}, []byte("body"))
			if c.want == "" {
				require.NoError(t, err)
				require.Equal(t, "v1", match.Form())
				require.True(t, match.Covers("t"))
				return
			}
			requireRefused(t, err, c.want, signtest.HeaderSignature)
		})
	}
}

func TestSign_WritesLists(t *testing.T) {
	s, h := composite(), make(http.Header)
	require.ErrorContains(t, s.Sign(signature.NewKey("a", signtest.Secret), "", h, []byte("body")), "t must be set once")
	s.Set(h, "t", "1")
	s.Set(h, "t", signtest.Time)
	signtest.Sign(t, s, "", h, []byte("body"))
	signtest.Sign(t, s, "", h, []byte("body"))
	require.Equal(t, http.Header{signtest.HeaderSignature: {"t=" + signtest.Time + "," + compositeMAC(signtest.Secret)}}, h)
	require.Equal(t, []string{signtest.Time}, s.Values(h, "t"))
	s.Set(h, "X-Other", "1")
	require.Equal(t, []string{"1"}, s.Values(h, "X-Other"))
	h.Add(signtest.HeaderSignature, "t=2")
	require.Equal(t, []string{signtest.Time, "2"}, s.Values(h, "t"))
}

func TestVerify_LimitsMACsOfLists(t *testing.T) {
	ring := signtest.NewRingFor(t, composite(), append(manyKeys(3), signature.NewKey("default", signtest.Secret))...)
	macs := signature.CountMACs(ring)
	h := http.Header{signtest.HeaderSignature: {"t=" + signtest.Time + strings.Repeat(","+compositeMAC("forged"), 8)}}
	_, err := signtest.NewVerifier(t, composite()).Verify(ring, h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	require.EqualValues(t, 4, macs.Load(), "one for each key, not for each signature")
}

func TestDigest_IgnoresOtherElements(t *testing.T) {
	v, ring := signtest.NewVerifier(t, composite()), signtest.NewRingFor(t, composite())
	digest := func(value string) [32]byte {
		h := http.Header{signtest.HeaderSignature: {value}}
		match, err := v.Verify(ring, h, []byte("body"))
		require.NoError(t, err)
		return match.Digest(h, []byte("body"))
	}
	want := sha256Sum(signtest.Time + ".body")
	require.Equal(t, want, digest("t="+signtest.Time+","+compositeMAC(signtest.Secret)))
	require.Equal(t, want, digest("v0=00,"+compositeMAC(signtest.Secret)+",t="+signtest.Time))
}

// A list may be as long as a header. Only as many elements are read as prove that it is too long.
func TestValues_ReadsNoFurtherThanVerify(t *testing.T) {
	h := http.Header{signtest.HeaderSignature: {strings.Repeat("t=1,", 100), "t=2"}}
	require.Len(t, composite().Values(h, "t"), 17)
}
