package signature_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// twoForms returns a scheme with two forms. One covers two optional headers.
func twoForms() signature.Scheme {
	return signature.Scheme{
		Header: headerSignature,
		Forms:  []signature.Form{{Name: "head", Covers: []string{headerDelivery, headerTime}}, {Name: "body"}},
		Fields: []signature.Field{{Header: headerTime, Grammar: signature.UnixTime}, {Header: headerDelivery, Grammar: signature.Opaque}},
	}
}

// The signed bytes of one form must not verify as a delivery of the other form.
func TestVerify_TwoFormsAreToldApart(t *testing.T) {
	oneHeader := twoForms()
	oneHeader.Forms = []signature.Form{{Name: "body"}, {Name: "head", Covers: []string{headerTime}}}
	for name, scheme := range map[string]signature.Scheme{"two headers": twoForms(), "one header": oneHeader} {
		t.Run(name, func(t *testing.T) {
			captured := fullHeader()
			sign(t, scheme, "head", captured, []byte("{}"))
			prefix := testTime + "."
			if name == "two headers" {
				prefix = "dlv_1." + prefix
			}
			v := newVerifier(t, scheme)
			match, err := v.Verify(defaultRing(t), captured, []byte("{}"))
			require.NoError(t, err)
			require.Equal(t, "head", match.Form())

			moved := http.Header{headerSignature: captured[headerSignature]}
			require.Equal(t, referenceHex(testSecret, prefix+"{}"), moved.Get(headerSignature), "the MAC must be right in the form without headers")
			_, err = v.Verify(defaultRing(t), moved, []byte(prefix+"{}"))
			requireRefused(t, err, signature.Mismatch, headerSignature)
			require.ErrorContains(t, err, "could be that of another form")
		})
	}
}

// With one form, no body is ambiguous.
func TestVerify_OneFormTakesAnyBody(t *testing.T) {
	h := http.Header{}
	sign(t, bodyScheme(), "body", h, []byte(testTime+".{}"))
	_, err := newVerifier(t, bodyScheme()).Verify(defaultRing(t), h, []byte(testTime+".{}"))
	require.NoError(t, err)
}

func TestVerify_OptionalFields(t *testing.T) {
	headOnly, err := twoForms().Pin("head")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		scheme signature.Scheme
		spoil  func(http.Header)
		reason signature.Reason // empty: the delivery is accepted
		header string
	}{
		"all there":                 {scheme: headOnly, spoil: func(http.Header) {}},
		"the first is missing":      {headOnly, func(h http.Header) { h.Del(headerDelivery) }, signature.Missing, headerDelivery},
		"the second is missing":     {headOnly, func(h http.Header) { h.Del(headerTime) }, signature.Missing, headerTime},
		"both are missing":          {headOnly, func(h http.Header) { h.Del(headerTime); h.Del(headerDelivery) }, signature.Missing, headerDelivery},
		"one is empty":              {headOnly, func(h http.Header) { h.Set(headerTime, "") }, signature.Missing, headerTime},
		"one comes twice":           {headOnly, func(h http.Header) { h.Add(headerDelivery, "dlv_1") }, signature.Repeated, headerDelivery},
		"one is no time":            {headOnly, func(h http.Header) { h.Set(headerTime, "soon") }, signature.Malformed, headerTime},
		"another form, both":        {twoForms(), func(h http.Header) { h.Del(headerTime); h.Del(headerDelivery) }, signature.Mismatch, headerSignature},
		"another form, not covered": {twoForms(), func(h http.Header) { h.Set(headerDelivery, "no id") }, signature.Malformed, headerDelivery},
	} {
		t.Run(name, func(t *testing.T) {
			h := fullHeader()
			sign(t, twoForms(), "head", h, []byte("{}"))
			c.spoil(h)
			_, err := newVerifier(t, c.scheme).Verify(defaultRing(t), h, []byte("{}"))
			if c.reason == "" {
				require.NoError(t, err)
				return
			}
			requireRefused(t, err, c.reason, c.header)
		})
	}
	for _, spoil := range []func(http.Header){func(http.Header) {}, func(h http.Header) { h.Del(headerTime) }, func(h http.Header) { h.Del(headerTime); h.Del(headerDelivery) }} {
		h := fullHeader()
		spoil(h)
		sign(t, twoForms(), "body", h, []byte("{}"))
		match, err := newVerifier(t, twoForms()).Verify(defaultRing(t), h, []byte("{}"))
		require.NoError(t, err, "a form must not need headers that it does not cover")
		require.Equal(t, "body", match.Form())
	}
}
