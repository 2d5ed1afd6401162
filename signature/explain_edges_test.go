package signature_test

import (
	"net/http"
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
