package signature_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// signing returns a scheme with one form, whose fields are a time and an id.
func signing(template string) signature.Scheme {
	s := signtest.HeadScheme()
	s.Versions, s.Forms = nil, []signature.Form{{Name: "only", Signs: template}}
	return s
}

func TestForm_SignsItsTemplate(t *testing.T) {
	for template, signed := range map[string]string{
		"":                                       "body",
		"{body}":                                 "body",
		"v0:{X-Acme-Time}:{body}":                "v0:" + signtest.Time + ":body",
		"{X-Acme-Time}\n{body}":                  signtest.Time + "\nbody",
		"{body}.{X-Acme-Time}":                   "body." + signtest.Time,
		"a{body}":                                "abody",
		"a{body}b":                               "abodyb",
		"{X-Acme-Delivery}+{body}.":              "dlv_1+body.",
		"{X-Acme-Time}.{body}.{X-Acme-Delivery}": signtest.Time + ".body.dlv_1",
		"{X-Acme-Delivery} at {X-Acme-Time}!\n{body}": "dlv_1 at " + signtest.Time + "!\nbody",
	} {
		s := signing(template)
		h := signtest.FullHeader()
		signtest.Sign(t, s, "", h, []byte("body"))
		require.Equal(t, signtest.Hex(signtest.Secret, signed), h.Get(signtest.HeaderSignature), template)
		match, err := signtest.NewVerifier(t, s).Verify(signtest.DefaultRing(t), h, []byte("body"))
		require.NoError(t, err)
		require.Equal(t, sha256Sum(signed), match.Digest(h, []byte("body")))
		require.False(t, match.Covers("body"), "no header has that name in canonical form")
		require.False(t, match.Covers(""))
		covered := make([]string, 0, 2)
		for _, name := range s.Forms[0].Covers() {
			require.True(t, match.Covers(name))
			covered = append(covered, h.Get(name))
		}
		require.Equal(t, signed, string(s.Forms[0].Append(nil, covered, []byte("body"))))
	}
}

func TestForm_RefusesBadTemplates(t *testing.T) {
	for template, says := range map[string]string{
		"text":                               "must name the body",
		"{X-Acme-Time}":                      "must name the body",
		"{body}.{body}":                      `must name "body" once`,
		"{X-Acme-Time}.{X-Acme-Time}.{body}": `must name "X-Acme-Time" once`,
		"{x-acme-time}.{body}":               "must be among the Scheme's Fields",
		"{X-Acme-Signature}.{body}":          "must be among the Scheme's Fields",
		"{body":                              "must have each name in braces",
		"body}":                              "must have each name in braces",
		"{}{body}":                           "must have each name in braces",
		"{{body}}":                           "must have each name in braces",
		"{body}}":                            "must have each name in braces",
		"{X-Acme-Time}{body}":                "must have a text between two values",
		"{body}{X-Acme-Time}":                "must have a text between two values",
		"{X-Acme-Time}9.{body}":              "must have a text next to each value that cannot be a part of it",
		"{X-Acme-Time}0.{body}":              "must have a text next to each value that cannot be a part of it",
		"{body}.0{X-Acme-Time}":              "must have a text next to each value that cannot be a part of it",
		"{X-Acme-Delivery}a.{body}":          "must have a text next to each value that cannot be a part of it",
		"{X-Acme-Delivery}.a{X-Acme-Time}.{body}": "",
		"{X-Acme-Time}.1{X-Acme-Delivery}.{body}": "must have a text next to each value that cannot be a part of it",
	} {
		_, err := signature.NewVerifier(signing(template))
		if says == "" {
			require.NoError(t, err, template)
			continue
		}
		require.ErrorContains(t, err, says, template)
		require.ErrorContains(t, err, `form "only"`)
	}
}

// With another shape, the bytes of one form could be those of another.
func TestScheme_SeveralFormsMustBeDotted(t *testing.T) {
	for _, template := range []string{"{X-Acme-Time}:{body}", "v0.{X-Acme-Time}.{body}", "{body}.{X-Acme-Time}", "{X-Acme-Time}.{body}."} {
		s := signtest.HeadScheme()
		s.Forms[0].Signs = template
		_, err := signature.NewVerifier(s)
		require.ErrorContains(t, err, `form "timestamp" must be values, each followed by a dot`)
	}
	s := signtest.HeadScheme()
	s.Fields[1].Grammar = signature.Visible
	_, err := signature.NewVerifier(s)
	require.ErrorContains(t, err, `form "delivery" must be values`)
}

func TestGrammar_VisibleAllowsNoDot(t *testing.T) {
	s := signing("{X-Acme-Delivery}.{body}")
	s.Fields[1].Grammar = signature.Visible
	for c := range 256 {
		h := http.Header{signtest.HeaderTime: {signtest.Time}, signtest.HeaderDelivery: {"a" + string([]byte{byte(c)})}}
		signtest.Sign(t, s, "", h, []byte("body"))
		_, err := signtest.NewVerifier(t, s).Verify(signtest.DefaultRing(t), h, []byte("body"))
		if c > ' ' && c <= '~' && c != '.' {
			require.NoError(t, err, "%q", c)
		} else {
			requireRefused(t, err, signature.Malformed, signtest.HeaderDelivery)
		}
	}
}

func TestScheme_RefusesContradictoryLists(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*signature.Scheme)
		says  string
	}{
		"a separator of two":      {func(s *signature.Scheme) { s.Separator = ", " }, "must be one character"},
		"a letter":                {func(s *signature.Scheme) { s.Separator = "x" }, "must be one character"},
		"a line break":            {func(s *signature.Scheme) { s.Separator = "\n" }, "must be one character"},
		"of base64":               {func(s *signature.Scheme) { s.Separator = "/" }, "must be one character"},
		"a dot":                   {func(s *signature.Scheme) { s.Separator = "." }, "must be one character"},
		"no prefix":               {func(s *signature.Scheme) { s.Versions = nil }, "needs a Prefix"},
		"separator in the prefix": {func(s *signature.Scheme) { s.Versions[0].Prefix = "v1," }, "must not have the Scheme's Separator"},
		"prefix of the element":   {func(s *signature.Scheme) { s.Versions[0].Prefix = "t=" }, `must not be that of the element "t"`},
		"element without a list":  {func(s *signature.Scheme) { s.Separator = "" }, "needs a Separator"},
		"element with a header":   {func(s *signature.Scheme) { s.Fields[0].Header = "X-Time" }, "without a Header"},
		"element with a sign":     {func(s *signature.Scheme) { s.Fields[0].Element = "t=" }, "must be of letters"},
		"element named body":      {func(s *signature.Scheme) { s.Fields[0].Element = "body" }, "must not appear twice"},
		"equal prefixes": {func(s *signature.Scheme) {
			s.Versions = []signature.Version{{Prefix: "v1="}, {Prefix: "v1=a"}}
		}, `must not begin like the Prefix "v1="`},
		"a prefix that goes on": {func(s *signature.Scheme) {
			s.Versions = []signature.Version{{Prefix: "v1=a"}, {Prefix: "v1="}}
		}, `must not begin like the Prefix "v1=a"`},
		"too many versions":       {func(s *signature.Scheme) { s.Versions = make([]signature.Version, 5) }, "at most 4 Versions, not 5"},
		"an unknown algorithm":    {func(s *signature.Scheme) { s.Versions[0].Algorithm = "MD5" }, `Algorithm "MD5" of a Version is unknown`},
		"an unknown encoding":     {func(s *signature.Scheme) { s.Versions[0].Encoding = "base32" }, "Encoding of a Version is unknown"},
		"an unknown key encoding": {func(s *signature.Scheme) { s.Versions[0].KeyEncoding = "base32" }, "Encoding of a Version is unknown"},
	} {
		s := composite()
		c.spoil(&s)
		_, err := signature.NewVerifier(s)
		require.ErrorContains(t, err, c.says, name)
		_, err = signature.NewKeyring(s, signature.NewKey("a", "secret"))
		require.ErrorContains(t, err, c.says, name)
	}
	s := signtest.BodyScheme()
	s.Versions = []signature.Version{{Prefix: "a="}, {}}
	_, err := signature.NewVerifier(s)
	require.ErrorContains(t, err, "needs a Prefix")
}
