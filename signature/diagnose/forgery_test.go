package diagnose_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// forged returns the input of a delivery with that signature, from a sender without a key.
func forged(mac string) http.Header {
	h := fullHeader()
	h.Set(headerSignature, mac)
	return h
}

func TestWhatIsSaidOfAMalformedSignatureIsTrue(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	inBase64 := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("m", 32)))
	for value, says := range map[string]string{
		`"` + hex + `"`:                      "not one HMAC-SHA256 in hex, with or without the prefix sha256=",
		`""`:                                 "not one HMAC-SHA256 in hex, with or without the prefix sha256=",
		`"` + hex + hex + `"`:                "hex digits, but not 64",
		inBase64:                             "no live key makes that MAC either",
		strings.Repeat(" ", 2000) + inBase64: "it looks like base64", // too long to try
	} {
		e := diagnose.Explain(diagnose.Input{Scheme: headScheme(), Keys: defaultRing(t), Header: forged(value), Body: []byte("{}")})
		require.Equal(t, diagnose.HeaderMalformed, e.Cause)
		require.True(t, strings.HasSuffix(e.Text, says), "%s: %s", value, e.Text)
	}
	q := hostile(t, make([]byte, 1<<20))
	q.Header = forged(inBase64)
	require.True(t, strings.HasSuffix(diagnose.Explain(q).Text, "it looks like base64"), "not all keys could be tried")
}

// A sender that has seen a delivery can cut what was signed in another place.
func TestASignedTextThatIsCutElsewhereIsNotTakenForAMistake(t *testing.T) {
	const body = `{"type":"ping"}`
	scheme := headScheme()
	h := fullHeader()
	sign(t, scheme, "timestamp", h, []byte(body))
	cut := []byte(h.Get(headerTime) + "." + body)
	h.Set(headerTime, "1795283260")
	pinned, err := scheme.Pin("timestamp")
	require.NoError(t, err)
	for _, q := range []diagnose.Input{
		{Scheme: pinned, Body: cut},
		{Scheme: scheme, Body: append(cut, '\n')},
		{Scheme: scheme, Body: append([]byte("\ufeff"), cut...)},
	} {
		q.Keys, q.Header = defaultRing(t), h
		e := diagnose.Explain(q)
		require.Equal(t, diagnose.Unexplained, e.Cause, e.Text)
	}
}

func TestAFieldOfTheSchemeIsNotTakenForAnotherSendersHeader(t *testing.T) {
	scheme := bodyScheme()
	scheme.Fields = append(scheme.Fields, signature.Field{Header: "X-Signature-Time", Grammar: signature.UnixTime})
	h := http.Header{"X-Signature-Time": {testTime}}
	e := diagnose.Explain(diagnose.Input{Scheme: scheme, Keys: defaultRing(t), Header: h, Body: []byte("{}")})
	require.Equal(t, diagnose.HeaderMissing, e.Cause)

	h = http.Header{headerSignature: {""}, "X-Other-Signature": {"abc"}}
	e = diagnose.Explain(diagnose.Input{Scheme: bodyScheme(), Keys: defaultRing(t), Header: h, Body: []byte("{}")})
	require.Equal(t, diagnose.HeaderMissing, e.Cause)
	require.Contains(t, e.Text, "is present but empty")
}

func explainSignedBy(t *testing.T, ring *signature.Keyring, secret string) diagnose.Explanation {
	t.Helper()
	h := fullHeader()
	body := []byte(`{"type":"ping"}`)
	require.NoError(t, bodyScheme().Sign(signature.NewKey("k", secret), "", h, body))
	return diagnose.Explain(diagnose.Input{Scheme: bodyScheme(), Keys: ring, Header: h, Body: body})
}

func TestAFormerKeyMayBeInWrongHands(t *testing.T) {
	ring := newRing(t, signature.NewKey("old", "secret-a"))
	require.NoError(t, ring.Set(signature.NewKey("new", "secret-b")))
	require.Contains(t, explainSignedBy(t, ring, "secret-a").Text, "or someone else has obtained that key")
}

func TestWhoeverRepeatsAHeaderIsNotKnown(t *testing.T) {
	h := forged("a")
	h.Add(headerSignature, "b")
	e := diagnose.Explain(diagnose.Input{Scheme: headScheme(), Keys: defaultRing(t), Header: h})
	require.Equal(t, diagnose.HeaderRepeated, e.Cause)
	require.Contains(t, e.Text, "the sender, or something on the way")
}
