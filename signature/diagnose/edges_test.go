package diagnose_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// signedInput returns the input of a delivery that was signed with testSecret over body.
func signedInput(t *testing.T, s signature.Scheme, form, body string) diagnose.Input {
	t.Helper()
	h := signtest.FullHeader()
	signtest.Sign(t, s, form, h, []byte(body))
	return diagnose.Input{Scheme: s, Keys: signtest.DefaultRing(t), Header: h, Body: []byte(body)}
}

// Where one form alone is accepted, a body that begins as a covered header does is nothing special.
func TestExplain_AmbiguousBody(t *testing.T) {
	const body = signtest.Time + ".{}"
	q := signedInput(t, signtest.BodyScheme(), "body", body)
	require.Equal(t, diagnose.None, diagnose.Explain(q).Cause)
	q.Body = append(q.Body, '\n')
	require.Equal(t, diagnose.BodyEnds, diagnose.Explain(q).Cause)

	q = signedInput(t, signtest.TwoForms(), "body", body)
	require.Equal(t, diagnose.FormAmbiguous, diagnose.Explain(q).Cause)
	q.Body = append(q.Body, '\n')
	require.Equal(t, diagnose.Unexplained, diagnose.Explain(q).Cause)
}

func TestExplain_FreshnessDefaults(t *testing.T) {
	q := signedInput(t, signtest.BodyScheme(), "body", "{}")
	q.Window, q.SignedAt = signature.Window{Past: time.Minute}, time.Now()
	require.Equal(t, diagnose.None, diagnose.Explain(q).Cause, "our clock's time is now")

	scheme := signtest.TwoForms()
	scheme.Fields[0], scheme.Fields[1] = scheme.Fields[1], scheme.Fields[0] // a field without a time comes first
	q = signedInput(t, scheme, "head", "{}")
	q.Window, q.Now = signature.Window{Past: time.Minute}, time.Unix(1795283259, 0).Add(time.Hour)
	require.Equal(t, diagnose.TimeStale, diagnose.Explain(q).Cause)
}

func TestExplain_ShortBodies(t *testing.T) {
	q := signedInput(t, signtest.BodyScheme(), "body", "1")
	q.Body = []byte("1\n")
	require.Equal(t, diagnose.BodyEnds, diagnose.Explain(q).Cause)
	q.Body, q.Declared = []byte("x"), 1
	require.Equal(t, diagnose.Unexplained, diagnose.Explain(q).Cause)
	q.Body = []byte("xy")
	e := diagnose.Explain(q)
	require.Equal(t, diagnose.BodyLength, e.Cause)
	require.Contains(t, e.Text, "longer")
	q.Body = nil
	e = diagnose.Explain(q)
	require.Equal(t, diagnose.BodyEmpty, e.Cause)
	require.Contains(t, e.Text, "although the request declared one")
}

// The body itself, and every change of it, costs one MAC.
func TestExplain_HashesEachBodyOnce(t *testing.T) {
	q := diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: http.Header{signtest.HeaderSignature: {signtest.Hex("another", "x")}}, Body: []byte("x")}
	e, cost := diagnose.ExplainCost(q)
	require.Equal(t, diagnose.Unexplained, e.Cause)
	require.EqualValues(t, 4, cost.MACs, "as it is, with either line break, with a byte order mark")
}

func TestExplain_MissingAndUnusedHeaders(t *testing.T) {
	// A form without its headers does not matter if another form has all of them.
	q := signedInput(t, signtest.TwoForms(), "body", "{}")
	q.Header, q.Body = http.Header{signtest.HeaderSignature: q.Header[signtest.HeaderSignature]}, []byte("{}\n")
	require.Equal(t, diagnose.BodyEnds, diagnose.Explain(q).Cause)

	// If no form has all its headers, the explanation names those of the first form.
	for name, scheme := range map[string]signature.Scheme{"one form": signtest.TwoForms(), "two forms": signtest.HeadScheme()} {
		t.Run(name, func(t *testing.T) {
			scheme.Fields[0].Required = false
			scheme.Forms = scheme.Forms[:len(scheme.Forms)-1] // the form without headers
			q := signedInput(t, scheme, "", "{}")
			q.Header.Del(signtest.HeaderTime)
			e := diagnose.Explain(q)
			require.Equal(t, diagnose.HeaderMissing, e.Cause)
			require.Contains(t, e.Text, signtest.HeaderTime)
		})
	}

	// A field that need not be there does not hide the next.
	q = signedInput(t, signtest.TwoForms(), "body", "{}")
	q.Header.Del(signtest.HeaderTime)
	q.Header.Set(signtest.HeaderDelivery, "no id")
	e := diagnose.Explain(q)
	require.Equal(t, diagnose.HeaderMalformed, e.Cause)
	require.Contains(t, e.Text, signtest.HeaderDelivery)
}

// A MAC is looked for in a header of up to a KiB.
func TestExplain_LongSignatureHeader(t *testing.T) {
	const body = "{}"
	padded := func(secret string, length int) diagnose.Explanation {
		mac := base64.StdEncoding.EncodeToString(signtest.MAC(secret, []byte(body)))
		value := strings.Repeat(" ", length-len(mac)) + mac
		return diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: http.Header{signtest.HeaderSignature: {value}}, Body: []byte(body)})
	}
	require.Equal(t, diagnose.MACInBase64, padded(signtest.Secret, 1024).Cause)
	require.Contains(t, padded("another", 1024).Text, "no live key makes that MAC")
	require.Equal(t, diagnose.HeaderMalformed, padded(signtest.Secret, 1025).Cause)
	require.NotContains(t, padded(signtest.Secret, 1025).Text, "no live key")
}

// A dot before the body is of a time in a list, and of nothing else.
func TestExplain_DotBeforeTheBody(t *testing.T) {
	mac := base64.StdEncoding.EncodeToString(signtest.MAC(signtest.Secret, []byte(".{}")))
	q := diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: http.Header{signtest.HeaderSignature: {mac}}, Body: []byte("{}")}
	require.Equal(t, diagnose.HeaderMalformed, diagnose.Explain(q).Cause)
}

// HMAC pads its key with zeros, so anyone can sign with an empty key.
func TestExplain_EmptyKeyProvesNothing(t *testing.T) {
	h := http.Header{signtest.HeaderSignature: {signtest.Hex("", "{}")}}
	for _, secret := range []string{"''", `""`, "whsec_", "NAME="} {
		q := diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.NewRing(t, signature.NewKey("default", secret)), Header: h, Body: []byte("{}")}
		require.Equal(t, diagnose.Unexplained, diagnose.Explain(q).Cause, secret)
	}
}

func TestExplain_TriesEveryKey(t *testing.T) {
	q := signedInput(t, signtest.BodyScheme(), "body", "{}")
	q.Keys = signtest.NewRing(t, signature.NewKey("first", "another-secret"), signature.NewKey("second", signtest.Secret+"\n"))
	e := diagnose.Explain(q)
	require.Equal(t, diagnose.SecretWhitespace, e.Cause)
	require.Contains(t, e.Text, `"second"`)
}

func TestExplainTime_Bounds(t *testing.T) {
	now := time.Unix(1795283259, 0)
	const century = 100 * 365 * 24 * time.Hour
	for _, c := range []struct {
		window signature.Window
		signed time.Duration // relative to now
		cause  diagnose.Cause
		says   string
	}{
		{signature.Window{Past: -time.Hour}, 0, diagnose.None, ""},
		{signature.Window{Past: -time.Hour}, -1, diagnose.TimeStale, "1ms more than the window of 0s"},
		{signature.Window{Future: -time.Hour}, 1, diagnose.TimeAhead, "1ms more than the allowed skew of 0s"},
		{signature.Window{}, -century, diagnose.TimeStale, "876000h0m0s old"},
		{signature.Window{}, -century - 1, diagnose.TimeStale, "more than a century old"},
		{signature.Window{}, -time.Second, diagnose.TimeStale, "1s old"},
		{signature.Window{}, -time.Second + 600*time.Microsecond, diagnose.TimeStale, "999ms old"},
		{signature.Window{}, -time.Hour, diagnose.TimeStale, "difference of 1 h"},
		{signature.Window{}, -14*time.Hour - time.Minute, diagnose.TimeStale, "difference of 14 h"},
	} {
		e := diagnose.ExplainTime(c.window, now.Add(c.signed), now)
		require.Equal(t, c.cause, e.Cause, "%+v", c)
		require.Contains(t, e.Text, c.says)
	}
}

// The time is tried in the other unit, whatever header comes before it, and nothing else is.
func TestExplain_TriesTheTimeAlone(t *testing.T) {
	scheme := signtest.TwoForms()
	scheme.Fields[0], scheme.Fields[1] = scheme.Fields[1], scheme.Fields[0]
	for header, want := range map[string]diagnose.Cause{signtest.HeaderTime: diagnose.TimeUnit, signtest.HeaderDelivery: diagnose.Unexplained} {
		h := signtest.FullHeader()
		arrived := h.Get(header)
		h.Set(header, arrived+"000")
		signtest.Sign(t, scheme, "head", h, []byte("{}"))
		h.Set(header, arrived)
		require.Equal(t, want, diagnose.Explain(diagnose.Input{Scheme: scheme, Keys: signtest.DefaultRing(t), Header: h, Body: []byte("{}")}).Cause, header)
	}
}
