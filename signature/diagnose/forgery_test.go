package diagnose_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// forged returns the input of a delivery with that signature, from a sender without a key.
func forged(mac string) http.Header {
	h := signtest.FullHeader()
	h.Set(signtest.HeaderSignature, mac)
	return h
}

func TestExplain_DescribesMalformedSignatureCorrectly(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	inBase64 := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("m", 32)))
	for value, says := range map[string]string{
		`"` + hex + `"`:                      "not one HMAC-SHA256 in hex, with or without the prefix sha256=",
		`""`:                                 "not one HMAC-SHA256 in hex, with or without the prefix sha256=",
		`"` + hex + hex + `"`:                "hex digits, but not 64",
		inBase64:                             "no live key makes that MAC either",
		strings.Repeat(" ", 2000) + inBase64: "it looks like base64", // too long to try
	} {
		e := diagnose.Explain(diagnose.Input{Scheme: signtest.HeadScheme(), Keys: signtest.DefaultRing(t), Header: forged(value), Body: []byte("{}")})
		require.Equal(t, diagnose.HeaderMalformed, e.Cause)
		require.True(t, strings.HasSuffix(e.Text, says), "%s: %s", value, e.Text)
	}
	q := hostile(t, make([]byte, 1<<20))
	q.Header = forged(inBase64)
	require.True(t, strings.HasSuffix(diagnose.Explain(q).Text, "it looks like base64"), "not all keys could be tried")
}

// A sender that has seen a delivery can split the signed bytes at another place.
func TestExplain_LeavesMovedHeaderBytesUnexplained(t *testing.T) {
	const body = `{"type":"ping"}`
	scheme := signtest.HeadScheme()
	h := signtest.FullHeader()
	signtest.Sign(t, scheme, "timestamp", h, []byte(body))
	cut := []byte(h.Get(signtest.HeaderTime) + "." + body)
	h.Set(signtest.HeaderTime, "1795283260")
	pinned, err := scheme.Pin("timestamp")
	require.NoError(t, err)
	for _, q := range []diagnose.Input{
		{Scheme: pinned, Body: cut},
		{Scheme: scheme, Body: append(cut, '\n')},
		{Scheme: scheme, Body: append([]byte("\ufeff"), cut...)},
	} {
		q.Keys, q.Header = signtest.DefaultRing(t), h
		e := diagnose.Explain(q)
		require.Equal(t, diagnose.Unexplained, e.Cause, e.Text)
	}
}

func TestExplain_IgnoresFieldsOfScheme(t *testing.T) {
	scheme := signtest.BodyScheme()
	scheme.Fields = append(scheme.Fields, signature.Field{Header: "X-Signature-Time", Grammar: signature.UnixTime})
	h := http.Header{"X-Signature-Time": {signtest.Time}}
	e := diagnose.Explain(diagnose.Input{Scheme: scheme, Keys: signtest.DefaultRing(t), Header: h, Body: []byte("{}")})
	require.Equal(t, diagnose.HeaderMissing, e.Cause)

	h = http.Header{signtest.HeaderSignature: {""}, "X-Other-Signature": {"abc"}}
	e = diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: h, Body: []byte("{}")})
	require.Equal(t, diagnose.HeaderMissing, e.Cause)
	require.Contains(t, e.Text, "is present but empty")
}

func explainSignedBy(t *testing.T, ring *signature.Keyring, secret string) diagnose.Explanation {
	t.Helper()
	h := signtest.FullHeader()
	body := []byte(`{"type":"ping"}`)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("k", secret), "", h, body))
	return diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: ring, Header: h, Body: body})
}

func TestExplain_MentionsCompromiseOfPreviousKey(t *testing.T) {
	ring := signtest.NewRing(t, signature.NewKey("old", "secret-a"))
	require.NoError(t, ring.Set(signature.NewKey("new", "secret-b")))
	require.Contains(t, explainSignedBy(t, ring, "secret-a").Text, "or someone else has obtained that key")
}

func TestExplain_NamesBothSourcesOfRepeatedHeader(t *testing.T) {
	h := forged("a")
	h.Add(signtest.HeaderSignature, "b")
	e := diagnose.Explain(diagnose.Input{Scheme: signtest.HeadScheme(), Keys: signtest.DefaultRing(t), Header: h})
	require.Equal(t, diagnose.HeaderRepeated, e.Cause)
	require.Contains(t, e.Text, "the sender, or something on the way")
}
