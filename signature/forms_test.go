package signature_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// The signed bytes of one form must not verify as a delivery of the other form.
func TestVerify_RefusesBytesOfAnotherLayout(t *testing.T) {
	oneHeader := signtest.TwoForms()
	oneHeader.Forms = []signature.Form{{Name: "body"}, {Name: "head", Signs: signtest.Dotted(signtest.HeaderTime)}}
	for name, scheme := range map[string]signature.Scheme{"two headers": signtest.TwoForms(), "one header": oneHeader} {
		t.Run(name, func(t *testing.T) {
			captured := signtest.FullHeader()
			signtest.Sign(t, scheme, "head", captured, []byte("{}"))
			prefix := signtest.Time + "."
			if name == "two headers" {
				prefix = "dlv_1." + prefix
			}
			v := signtest.NewVerifier(t, scheme)
			match, err := v.Verify(signtest.DefaultRing(t), captured, []byte("{}"))
			require.NoError(t, err)
			require.Equal(t, "head", match.Form())

			moved := http.Header{signtest.HeaderSignature: captured[signtest.HeaderSignature]}
			require.Equal(t, signtest.Hex(signtest.Secret, prefix+"{}"), moved.Get(signtest.HeaderSignature), "the MAC must be right in the form without headers")
			_, err = v.Verify(signtest.DefaultRing(t), moved, []byte(prefix+"{}"))
			requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
			require.ErrorContains(t, err, "could be that of another form")
		})
	}
}

// With one form, no body is ambiguous.
func TestVerify_AcceptsAnyBodyInOneLayout(t *testing.T) {
	h := http.Header{}
	signtest.Sign(t, signtest.BodyScheme(), "body", h, []byte(signtest.Time+".{}"))
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(signtest.DefaultRing(t), h, []byte(signtest.Time+".{}"))
	require.NoError(t, err)
}

func TestVerify_OptionalFields(t *testing.T) {
	headOnly, err := signtest.TwoForms().Pin("head")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		scheme signature.Scheme
		spoil  func(http.Header)
		reason signature.Reason // empty: the delivery is accepted
		header string
	}{
		"all there":                 {scheme: headOnly, spoil: func(http.Header) {}},
		"the first is missing":      {headOnly, func(h http.Header) { h.Del(signtest.HeaderDelivery) }, signature.Missing, signtest.HeaderDelivery},
		"the second is missing":     {headOnly, func(h http.Header) { h.Del(signtest.HeaderTime) }, signature.Missing, signtest.HeaderTime},
		"both are missing":          {headOnly, func(h http.Header) { h.Del(signtest.HeaderTime); h.Del(signtest.HeaderDelivery) }, signature.Missing, signtest.HeaderDelivery},
		"one is empty":              {headOnly, func(h http.Header) { h.Set(signtest.HeaderTime, "") }, signature.Missing, signtest.HeaderTime},
		"one comes twice":           {headOnly, func(h http.Header) { h.Add(signtest.HeaderDelivery, "dlv_1") }, signature.Repeated, signtest.HeaderDelivery},
		"one is no time":            {headOnly, func(h http.Header) { h.Set(signtest.HeaderTime, "soon") }, signature.Malformed, signtest.HeaderTime},
		"another form, both":        {signtest.TwoForms(), func(h http.Header) { h.Del(signtest.HeaderTime); h.Del(signtest.HeaderDelivery) }, signature.Mismatch, signtest.HeaderSignature},
		"another form, not covered": {signtest.TwoForms(), func(h http.Header) { h.Set(signtest.HeaderDelivery, "no id") }, signature.Malformed, signtest.HeaderDelivery},
	} {
		t.Run(name, func(t *testing.T) {
			h := signtest.FullHeader()
			signtest.Sign(t, signtest.TwoForms(), "head", h, []byte("{}"))
			c.spoil(h)
			_, err := signtest.NewVerifier(t, c.scheme).Verify(signtest.DefaultRing(t), h, []byte("{}"))
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, c.reason, c.header)
		})
	}
	for _, spoil := range []func(http.Header){func(http.Header) {}, func(h http.Header) { h.Del(signtest.HeaderTime) }, func(h http.Header) { h.Del(signtest.HeaderTime); h.Del(signtest.HeaderDelivery) }} {
		h := signtest.FullHeader()
		spoil(h)
		signtest.Sign(t, signtest.TwoForms(), "body", h, []byte("{}"))
		match, err := signtest.NewVerifier(t, signtest.TwoForms()).Verify(signtest.DefaultRing(t), h, []byte("{}"))
		require.NoError(t, err, "a form must not need headers that it does not cover")
		require.Equal(t, "body", match.Form())
	}
}
