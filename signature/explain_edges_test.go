package signature_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// signedQuestion is about a delivery that was signed with testSecret over body.
func signedQuestion(t *testing.T, s signature.Scheme, form, body string) signature.Question {
	t.Helper()
	h := fullHeader()
	sign(t, s, form, h, []byte(body))
	return signature.Question{Scheme: s, Keys: defaultRing(t), Header: h, Body: []byte(body)}
}

// Where one form alone is accepted, a body that begins as a covered header does is nothing special.
func TestExplain_AmbiguousBody(t *testing.T) {
	const body = testTime + ".{}"
	q := signedQuestion(t, bodyScheme(), "body", body)
	require.Equal(t, signature.NoMistake, signature.Explain(q).Mistake)
	q.Body = append(q.Body, '\n')
	require.Equal(t, signature.BodyEnds, signature.Explain(q).Mistake)

	q = signedQuestion(t, twoForms(), "body", body)
	require.Equal(t, signature.FormAmbiguous, signature.Explain(q).Mistake)
	q.Body = append(q.Body, '\n')
	require.Equal(t, signature.Unexplained, signature.Explain(q).Mistake)
}

func TestExplain_FreshnessDefaults(t *testing.T) {
	q := signedQuestion(t, bodyScheme(), "body", "{}")
	q.Window, q.SignedAt = signature.Window{Past: time.Minute}, time.Now()
	require.Equal(t, signature.NoMistake, signature.Explain(q).Mistake, "our clock's time is now")

	scheme := twoForms()
	scheme.Fields[0], scheme.Fields[1] = scheme.Fields[1], scheme.Fields[0] // what is no time comes first
	q = signedQuestion(t, scheme, "head", "{}")
	q.Window, q.Now = signature.Window{Past: time.Minute}, time.Unix(1795283259, 0).Add(time.Hour)
	require.Equal(t, signature.TimeStale, signature.Explain(q).Mistake)
}

func TestExplain_ShortBodies(t *testing.T) {
	q := signedQuestion(t, bodyScheme(), "body", "1")
	q.Body = []byte("1\n")
	require.Equal(t, signature.BodyEnds, signature.Explain(q).Mistake)
	q.Body, q.Declared = []byte("x"), 1
	require.Equal(t, signature.Unexplained, signature.Explain(q).Mistake)
	q.Body = []byte("xy")
	e := signature.Explain(q)
	require.Equal(t, signature.BodyLength, e.Mistake)
	require.Contains(t, e.Text, "longer")
	q.Body = nil
	e = signature.Explain(q)
	require.Equal(t, signature.BodyEmpty, e.Mistake)
	require.Contains(t, e.Text, "although the request declared one")
}

// The body itself, and every change of it, costs one MAC.
func TestExplain_HashesEachBodyOnce(t *testing.T) {
	q := signature.Question{Scheme: bodyScheme(), Keys: defaultRing(t), Header: http.Header{headerSignature: {referenceHex("another", "x")}}, Body: []byte("x")}
	macs := signature.CountMACs(q.Keys)
	require.Equal(t, signature.Unexplained, signature.Explain(q).Mistake)
	require.EqualValues(t, 4, macs.Load(), "as it is, with either line break, with a byte order mark")
}

func TestExplain_MissingAndUnusedHeaders(t *testing.T) {
	// A form that lacks a header does not matter where another has all it covers.
	q := signedQuestion(t, twoForms(), "body", "{}")
	q.Header, q.Body = http.Header{headerSignature: q.Header[headerSignature]}, []byte("{}\n")
	require.Equal(t, signature.BodyEnds, signature.Explain(q).Mistake)

	// Where none has, the first says what it lacks.
	for name, scheme := range map[string]signature.Scheme{"one form": twoForms(), "two forms": headScheme()} {
		t.Run(name, func(t *testing.T) {
			scheme.Fields[0].Required = false
			scheme.Forms = scheme.Forms[:len(scheme.Forms)-1] // the form that covers none
			q := signedQuestion(t, scheme, "", "{}")
			q.Header.Del(headerTime)
			e := signature.Explain(q)
			require.Equal(t, signature.HeaderMissing, e.Mistake)
			require.Contains(t, e.Text, headerTime)
		})
	}

	// A field that need not be there does not hide the next.
	q = signedQuestion(t, twoForms(), "body", "{}")
	q.Header.Del(headerTime)
	q.Header.Set(headerDelivery, "no id")
	e := signature.Explain(q)
	require.Equal(t, signature.HeaderMalformed, e.Mistake)
	require.Contains(t, e.Text, headerDelivery)
}

// A MAC is looked for in a header of up to a KiB.
func TestExplain_LongSignatureHeader(t *testing.T) {
	const body = "{}"
	padded := func(secret string, length int) signature.Explanation {
		mac := base64.StdEncoding.EncodeToString(referenceMAC(secret, []byte(body)))
		value := strings.Repeat(" ", length-len(mac)) + mac
		return signature.Explain(signature.Question{Scheme: bodyScheme(), Keys: defaultRing(t), Header: http.Header{headerSignature: {value}}, Body: []byte(body)})
	}
	require.Equal(t, signature.MACInBase64, padded(testSecret, 1024).Mistake)
	require.Contains(t, padded("another", 1024).Text, "no live key makes that MAC")
	require.Equal(t, signature.HeaderMalformed, padded(testSecret, 1025).Mistake)
	require.NotContains(t, padded(testSecret, 1025).Text, "no live key")
}

// A dot before the body is of a time in a list, and of nothing else.
func TestExplain_DotBeforeTheBody(t *testing.T) {
	mac := base64.StdEncoding.EncodeToString(referenceMAC(testSecret, []byte(".{}")))
	q := signature.Question{Scheme: bodyScheme(), Keys: defaultRing(t), Header: http.Header{headerSignature: {mac}}, Body: []byte("{}")}
	require.Equal(t, signature.HeaderMalformed, signature.Explain(q).Mistake)
}

// HMAC pads its key with zeros, so anybody can sign with an empty one.
func TestExplain_EmptyKeyProvesNothing(t *testing.T) {
	h := http.Header{headerSignature: {referenceHex("", "{}")}}
	for _, secret := range []string{"''", `""`, "whsec_", "NAME="} {
		q := signature.Question{Scheme: bodyScheme(), Keys: newRing(t, signature.NewKey("default", secret)), Header: h, Body: []byte("{}")}
		require.Equal(t, signature.Unexplained, signature.Explain(q).Mistake, secret)
	}
}

func TestExplain_TriesEveryKey(t *testing.T) {
	q := signedQuestion(t, bodyScheme(), "body", "{}")
	q.Keys = newRing(t, signature.NewKey("first", "another-secret"), signature.NewKey("second", testSecret+"\n"))
	e := signature.Explain(q)
	require.Equal(t, signature.SecretBlanks, e.Mistake)
	require.Contains(t, e.Text, `"second"`)
}

func TestWindow_ExplainBounds(t *testing.T) {
	now := time.Unix(1795283259, 0)
	const century = 100 * 365 * 24 * time.Hour
	for _, c := range []struct {
		window  signature.Window
		signed  time.Duration // after now
		mistake signature.Mistake
		says    string
	}{
		{signature.Window{Past: -time.Hour}, 0, signature.NoMistake, ""},
		{signature.Window{Past: -time.Hour}, -1, signature.TimeStale, "1ms beyond the window of 0s"},
		{signature.Window{Future: -time.Hour}, 1, signature.TimeAhead, "1ms beyond the allowed skew of 0s"},
		{signature.Window{}, -century, signature.TimeStale, "876000h0m0s back"},
		{signature.Window{}, -century - 1, signature.TimeStale, "more than a century back"},
		{signature.Window{}, -time.Second, signature.TimeStale, "1s back"},
		{signature.Window{}, -time.Second + 600*time.Microsecond, signature.TimeStale, "999ms back"},
		{signature.Window{}, -time.Hour, signature.TimeStale, "off by 1 h"},
		{signature.Window{}, -14*time.Hour - time.Minute, signature.TimeStale, "off by 14 h"},
	} {
		e := c.window.Explain(now.Add(c.signed), now)
		require.Equal(t, c.mistake, e.Mistake, "%+v", c)
		require.Contains(t, e.Text, c.says)
	}
}

// The time is tried in the other unit, whatever header comes before it, and nothing else is.
func TestExplain_TriesTheTimeAlone(t *testing.T) {
	scheme := twoForms()
	scheme.Fields[0], scheme.Fields[1] = scheme.Fields[1], scheme.Fields[0]
	for header, want := range map[string]signature.Mistake{headerTime: signature.TimeUnit, headerDelivery: signature.Unexplained} {
		h := fullHeader()
		arrived := h.Get(header)
		h.Set(header, arrived+"000")
		sign(t, scheme, "head", h, []byte("{}"))
		h.Set(header, arrived)
		require.Equal(t, want, signature.Explain(signature.Question{Scheme: scheme, Keys: defaultRing(t), Header: h, Body: []byte("{}")}).Mistake, header)
	}
}
