package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

func TestASchemeThatContradictsItselfIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*signature.Scheme)
		says  string
	}{
		"no header":                    {func(s *signature.Scheme) { s.Header = "" }, `header ""`},
		"header in lower case":         {func(s *signature.Scheme) { s.Header = "x-acme-signature" }, "canonical form"},
		"field without a name":         {func(s *signature.Scheme) { s.Fields[1].Header = "" }, `header ""`},
		"field in lower case":          {func(s *signature.Scheme) { s.Fields[1].Header = "x-acme-delivery" }, "canonical form"},
		"field twice":                  {func(s *signature.Scheme) { s.Fields[1].Header = headerTime }, "must not appear twice"},
		"signature is a field":         {func(s *signature.Scheme) { s.Fields[1].Header = headerSignature }, "must not appear twice"},
		"too many fields":              {func(s *signature.Scheme) { s.Fields = make([]signature.Field, 5) }, "at most 4 Fields, not 5"},
		"field without a grammar":      {func(s *signature.Scheme) { s.Fields[1].Grammar = 0 }, "needs a Grammar"},
		"unknown grammar":              {func(s *signature.Scheme) { s.Fields[1].Grammar = 3 }, "needs a Grammar"},
		"no forms":                     {func(s *signature.Scheme) { s.Forms = nil }, "at least one form"},
		"form without a name":          {func(s *signature.Scheme) { s.Forms[1].Name = "" }, "unique name"},
		"two forms of one name":        {func(s *signature.Scheme) { s.Forms[1].Name = "body" }, "unique name"},
		"covers what is no field":      {func(s *signature.Scheme) { s.Forms[0].Covers = []string{"X-Other"} }, `cover the header "X-Other"`},
		"covers in lower case":         {func(s *signature.Scheme) { s.Forms[0].Covers = []string{strings.ToLower(headerTime)} }, "must be among the Scheme's Fields"},
		"covers the signature":         {func(s *signature.Scheme) { s.Forms[0].Covers = []string{headerSignature} }, "must be among the Scheme's Fields"},
		"covers one twice":             {func(s *signature.Scheme) { s.Forms[1].Covers = []string{headerTime, headerTime} }, "must cover the header \"X-Acme-Time\" once"},
		"two forms over the body":      {func(s *signature.Scheme) { s.Forms[0].Covers = nil }, "cannot be distinguished"},
		"two forms over as many":       {func(s *signature.Scheme) { s.Forms[2].Covers = []string{headerDelivery} }, "cannot be distinguished"},
		"two forms over the same ones": {func(s *signature.Scheme) { s.Forms[2].Covers = []string{headerTime, headerDelivery} }, "cannot be distinguished"},
	} {
		t.Run(name, func(t *testing.T) {
			s := headScheme()
			c.spoil(&s)
			v, err := signature.NewVerifier(s)
			require.ErrorContains(t, err, c.says)
			require.Nil(t, v)
			h := fullHeader()
			require.EqualError(t, s.Sign(signature.NewKey("a", testSecret), "", h, nil), err.Error())
			require.Equal(t, fullHeader(), h)
		})
	}
	_, err := signature.NewVerifier(signature.Scheme{})
	require.Error(t, err)
}

func TestASchemeMayHaveFourFields(t *testing.T) {
	s := signature.Scheme{Header: headerSignature}
	h, covers := http.Header{}, []string{"A", "B", "C", "D"}
	for _, name := range covers {
		s.Fields = append(s.Fields, signature.Field{Header: name, Grammar: signature.Opaque})
		h.Set(name, strings.Repeat(strings.ToLower(name), 128))
	}
	s.Forms = []signature.Form{{Name: "all", Covers: covers}}
	sign(t, s, "all", h, []byte("body"))
	match, err := newVerifier(t, s).Verify(defaultRing(t), h, []byte("body"))
	require.NoError(t, err)
	require.Equal(t, "all", match.Form())
}

func TestAPinnedSchemeAcceptsOneFormAlone(t *testing.T) {
	for _, pin := range []string{"timestamp", "delivery", "body"} {
		pinned, err := headScheme().Pin(pin)
		require.NoError(t, err)
		require.Len(t, pinned.Forms, 1)
		v := newVerifier(t, pinned)
		for _, form := range []string{"timestamp", "delivery", "body"} {
			h := fullHeader()
			sign(t, headScheme(), form, h, []byte("{}"))
			match, err := v.Verify(defaultRing(t), h, []byte("{}"))
			if form == pin {
				require.NoError(t, err)
				require.Equal(t, pin, match.Form())
			} else {
				requireRefused(t, err, signature.Mismatch, headerSignature)
			}
		}
		_, err = v.Verify(defaultRing(t), http.Header{headerSignature: {referenceHex(testSecret, "{}")}}, []byte("{}"))
		requireRefused(t, err, signature.Missing, headerTime) // required, even if the form does not cover it
	}
}

func TestPinLeavesItsSchemeAlone(t *testing.T) {
	s := headScheme()
	_, err := s.Pin("body")
	require.NoError(t, err)
	require.Equal(t, headScheme(), s)
}

func TestAnUnknownFormIsAnErrorThatListsTheKnownOnes(t *testing.T) {
	for _, form := range []string{"", "Body", "other"} {
		_, err := headScheme().Pin(form)
		require.ErrorContains(t, err, `["timestamp" "delivery" "body"]`)
	}
	require.ErrorContains(t, headScheme().Sign(signature.NewKey("a", testSecret), "other", fullHeader(), nil), `["timestamp" "delivery" "body"]`)
}

func TestSignWritesThePrefixAndLowerCaseHexOverTheBytes(t *testing.T) {
	for form, signed := range map[string]string{
		"": testTime + ".body", "timestamp": testTime + ".body", "delivery": "dlv_1." + testTime + ".body", "body": "body",
	} {
		h := fullHeader()
		h[headerSignature] = []string{"one", "two"}
		sign(t, headScheme(), form, h, []byte("body"))
		require.Equal(t, []string{"sha256=" + referenceHex(testSecret, signed)}, h[headerSignature])
	}
	h := http.Header{}
	sign(t, bodyScheme(), "", h, nil)
	require.Equal(t, referenceHex(testSecret, ""), h.Get(headerSignature))
}

func TestSignNeedsEveryCoveredHeaderOnce(t *testing.T) {
	key := signature.NewKey("a", testSecret)
	for _, h := range []http.Header{{}, {headerTime: {}}, {headerTime: {testTime, testTime}}, {strings.ToLower(headerTime): {testTime}}} {
		require.ErrorContains(t, headScheme().Sign(key, "timestamp", h, nil), "X-Acme-Time must be set once")
		require.NotContains(t, h, headerSignature)
		require.NoError(t, headScheme().Sign(key, "body", h, nil))
	}
}

func TestSignDoesNotSignWithASecretThatIsNone(t *testing.T) {
	for _, secret := range []string{"", " \n", "\x00", "[redacted]"} {
		h := fullHeader()
		require.ErrorContains(t, headScheme().Sign(signature.NewKey("a", secret), "", h, nil), `secret of key "a"`)
		require.NotContains(t, h, headerSignature)
	}
}

func TestScheme_ExcludedByPin(t *testing.T) {
	names := func(s signature.Scheme) (all []string) {
		for _, f := range s.Excluded() {
			all = append(all, f.Name)
		}
		return all
	}
	require.Empty(t, headScheme().Excluded())
	pinned, err := headScheme().Pin("body")
	require.NoError(t, err)
	require.Equal(t, []string{"timestamp", "delivery"}, names(pinned))
	again, err := pinned.Pin("body")
	require.NoError(t, err)
	require.Equal(t, names(pinned), names(again), "pinned twice")

	pinned.Excluded()[0].Name = "changed"
	require.Equal(t, []string{"timestamp", "delivery"}, names(pinned))
}

func TestScheme_AmbiguousWithSeveralForms(t *testing.T) {
	require.True(t, headScheme().Ambiguous([]byte(testTime+".{}")))
	require.True(t, twoForms().Ambiguous([]byte(testTime+".{}")))
	require.False(t, headScheme().Ambiguous([]byte("{}")))
	require.False(t, bodyScheme().Ambiguous([]byte(testTime+".{}")))
}
