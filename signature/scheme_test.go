package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

func TestScheme_RefusesContradictions(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*signature.Scheme)
		says  string
	}{
		"no header":               {func(s *signature.Scheme) { s.Header = "" }, `header ""`},
		"header in lower case":    {func(s *signature.Scheme) { s.Header = "x-acme-signature" }, "canonical form"},
		"field without a name":    {func(s *signature.Scheme) { s.Fields[1].Header = "" }, `header ""`},
		"field in lower case":     {func(s *signature.Scheme) { s.Fields[1].Header = "x-acme-delivery" }, "canonical form"},
		"field twice":             {func(s *signature.Scheme) { s.Fields[1].Header = signtest.HeaderTime }, "must not appear twice"},
		"signature is a field":    {func(s *signature.Scheme) { s.Fields[1].Header = signtest.HeaderSignature }, "must not appear twice"},
		"too many fields":         {func(s *signature.Scheme) { s.Fields = make([]signature.Field, 5) }, "at most 4 Fields, not 5"},
		"field without a grammar": {func(s *signature.Scheme) { s.Fields[1].Grammar = 0 }, "needs a Grammar"},
		"unknown grammar":         {func(s *signature.Scheme) { s.Fields[1].Grammar = 4 }, "needs a Grammar"},
		"no forms":                {func(s *signature.Scheme) { s.Forms = nil }, "at least one form"},
		"form without a name":     {func(s *signature.Scheme) { s.Forms[1].Name = "" }, "unique name"},
		"two forms of one name":   {func(s *signature.Scheme) { s.Forms[1].Name = "body" }, "unique name"},
		"covers what is no field": {func(s *signature.Scheme) { s.Forms[0].Signs = signtest.Dotted("X-Other") }, `names "X-Other"`},
		"covers in lower case":    {func(s *signature.Scheme) { s.Forms[0].Signs = signtest.Dotted(strings.ToLower(signtest.HeaderTime)) }, "must be among the Scheme's Fields"},
		"covers the signature":    {func(s *signature.Scheme) { s.Forms[0].Signs = signtest.Dotted(signtest.HeaderSignature) }, "must be among the Scheme's Fields"},
		"covers one twice": {func(s *signature.Scheme) {
			s.Forms[1].Signs = signtest.Dotted(signtest.HeaderTime, signtest.HeaderTime)
		}, "must name \"X-Acme-Time\" once"},
		"two forms over the body": {func(s *signature.Scheme) { s.Forms[0].Signs = "" }, "cannot be distinguished"},
		"two forms over as many":  {func(s *signature.Scheme) { s.Forms[2].Signs = signtest.Dotted(signtest.HeaderDelivery) }, "cannot be distinguished"},
		"two forms over the same ones": {func(s *signature.Scheme) {
			s.Forms[2].Signs = signtest.Dotted(signtest.HeaderTime, signtest.HeaderDelivery)
		}, "cannot be distinguished"},
	} {
		t.Run(name, func(t *testing.T) {
			s := signtest.HeadScheme()
			c.spoil(&s)
			v, err := signature.NewVerifier(s)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, v)
			h := signtest.FullHeader()
			require.EqualError(t, s.Sign(signature.NewKey("a", signtest.Secret), "", h, nil), err.Error())
			require.Equal(t, signtest.FullHeader(), h)
		})
	}
	_, err := signature.NewVerifier(signature.Scheme{})
	require.Error(t, err)
}

func TestScheme_AllowsFourFields(t *testing.T) {
	s := signature.Scheme{Header: signtest.HeaderSignature}
	h, covers := http.Header{}, []string{"A", "B", "C", "D"}
	for _, name := range covers {
		s.Fields = append(s.Fields, signature.Field{Header: name, Grammar: signature.Opaque})
		h.Set(name, strings.Repeat(strings.ToLower(name), 128))
	}
	s.Forms = []signature.Form{{Name: "all", Signs: signtest.Dotted(covers...)}}
	signtest.Sign(t, s, "all", h, []byte("body"))
	match, err := signtest.NewVerifier(t, s).Verify(signtest.DefaultRing(t), h, []byte("body"))
	require.NoError(t, err)
	require.Equal(t, "all", match.Form())
}

func TestScheme_AcceptsOnlyChosenLayout(t *testing.T) {
	for _, pin := range []string{"timestamp", "delivery", "body"} {
		pinned, err := signtest.HeadScheme().Pin(pin)
		require.NoError(t, err)
		require.Len(t, pinned.Forms, 1)
		v := signtest.NewVerifier(t, pinned)
		for _, form := range []string{"timestamp", "delivery", "body"} {
			h := signtest.FullHeader()
			signtest.Sign(t, signtest.HeadScheme(), form, h, []byte("{}"))
			match, err := v.Verify(signtest.DefaultRing(t), h, []byte("{}"))
			if form == pin {
				require.NoError(t, err)
				require.Equal(t, pin, match.Form())
			} else {
				requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
			}
		}
		_, err = v.Verify(signtest.DefaultRing(t), http.Header{signtest.HeaderSignature: {signtest.Hex(signtest.Secret, "{}")}}, []byte("{}"))
		requireRefused(t, err, signature.Missing, signtest.HeaderTime) // required, even if the form does not cover it
	}
}

func TestScheme_StaysUnchangedWhenRestricted(t *testing.T) {
	s := signtest.HeadScheme()
	_, err := s.Pin("body")
	require.NoError(t, err)
	require.Equal(t, signtest.HeadScheme(), s)
}

func TestScheme_ListsKnownLayoutsInError(t *testing.T) {
	for _, form := range []string{"", "Body", "other"} {
		_, err := signtest.HeadScheme().Pin(form)
		require.ErrorContains(t, err, `["timestamp" "delivery" "body"]`)
	}
	require.ErrorContains(t, signtest.HeadScheme().Sign(signature.NewKey("a", signtest.Secret), "other", signtest.FullHeader(), nil), `["timestamp" "delivery" "body"]`)
}

func TestSign_WritesPrefixAndLowercaseHex(t *testing.T) {
	for form, signed := range map[string]string{
		"": signtest.Time + ".body", "timestamp": signtest.Time + ".body", "delivery": "dlv_1." + signtest.Time + ".body", "body": "body",
	} {
		h := signtest.FullHeader()
		h[signtest.HeaderSignature] = []string{"one", "two"}
		signtest.Sign(t, signtest.HeadScheme(), form, h, []byte("body"))
		require.Equal(t, []string{"sha256=" + signtest.Hex(signtest.Secret, signed)}, h[signtest.HeaderSignature])
	}
	h := http.Header{}
	signtest.Sign(t, signtest.BodyScheme(), "", h, nil)
	require.Equal(t, signtest.Hex(signtest.Secret, ""), h.Get(signtest.HeaderSignature))
}

func TestSign_NeedsEveryCoveredHeaderOnce(t *testing.T) {
	key := signature.NewKey("a", signtest.Secret)
	for _, h := range []http.Header{{}, {signtest.HeaderTime: {}}, {signtest.HeaderTime: {signtest.Time, signtest.Time}}, {strings.ToLower(signtest.HeaderTime): {signtest.Time}}} {
		require.ErrorContains(t, signtest.HeadScheme().Sign(key, "timestamp", h, nil), "X-Acme-Time must be set once")
		require.NotContains(t, h, signtest.HeaderSignature)
		require.NoError(t, signtest.HeadScheme().Sign(key, "body", h, nil))
	}
}

func TestSign_RefusesUnusableSecret(t *testing.T) {
	for _, secret := range []string{"", " \n", "\x00", "[redacted]"} {
		h := signtest.FullHeader()
		require.ErrorContains(t, signtest.HeadScheme().Sign(signature.NewKey("a", secret), "", h, nil), `secret of key "a"`)
		require.NotContains(t, h, signtest.HeaderSignature)
	}
}

func TestScheme_ExcludedByPin(t *testing.T) {
	names := func(s signature.Scheme) (all []string) {
		for _, f := range s.Excluded() {
			all = append(all, f.Name)
		}
		return all
	}
	require.Empty(t, signtest.HeadScheme().Excluded())
	pinned, err := signtest.HeadScheme().Pin("body")
	require.NoError(t, err)
	require.Equal(t, []string{"timestamp", "delivery"}, names(pinned))
	again, err := pinned.Pin("body")
	require.NoError(t, err)
	require.Equal(t, names(pinned), names(again), "pinned twice")

	pinned.Excluded()[0].Name = "changed"
	require.Equal(t, []string{"timestamp", "delivery"}, names(pinned))
}

func TestScheme_AmbiguousWithSeveralForms(t *testing.T) {
	require.True(t, signtest.HeadScheme().Ambiguous([]byte(signtest.Time+".{}")))
	require.True(t, signtest.TwoForms().Ambiguous([]byte(signtest.Time+".{}")))
	require.False(t, signtest.HeadScheme().Ambiguous([]byte("{}")))
	require.False(t, signtest.BodyScheme().Ambiguous([]byte(signtest.Time+".{}")))
}
