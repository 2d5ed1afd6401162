package signature_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/mistakes"
	"github.com/aihooks/aihooks-go/signature"
)

func senders() map[string]*mistakes.Sender {
	now := time.Unix(1795283259, 0)
	all := map[string]*mistakes.Sender{"alone": {Scheme: bodyScheme(), Now: now}}
	for _, f := range headScheme().Forms {
		all[f.Name] = &mistakes.Sender{Scheme: headScheme(), Form: f.Name, Now: now}
	}
	return all
}

// forEachMistake calls f for each mistake that can be made with each scheme, and requires that each can be made with one.
func forEachMistake(t *testing.T, f func(t *testing.T, m *mistakes.Mistake, d *mistakes.Delivery)) {
	t.Helper()
	made := make(map[string]bool)
	for name, s := range senders() {
		for _, m := range mistakes.All() {
			if d := m.Make(s); d != nil {
				made[m.Name] = true
				t.Run(name+"/"+m.Name, func(t *testing.T) { f(t, &m, d) })
			}
		}
	}
	for _, m := range mistakes.All() {
		require.True(t, made[m.Name], m.Name)
	}
}

func explain(t testing.TB, d *mistakes.Delivery) signature.Explanation {
	t.Helper()
	q, err := d.Question()
	require.NoError(t, err)
	return signature.Explain(q)
}

func TestEachMistakeHasItsOneExplanation(t *testing.T) {
	require.GreaterOrEqual(t, len(mistakes.All()), 100)
	forEachMistake(t, func(t *testing.T, m *mistakes.Mistake, d *mistakes.Delivery) {
		q, err := d.Question()
		require.NoError(t, err)
		_, err = newVerifier(t, d.Scheme).Verify(q.Keys, d.Header, d.Body)
		require.Error(t, err, "it is a mistake only if it is refused")
		e := signature.Explain(q)
		require.Equal(t, m.Mistake, e.Mistake, e.Text)
		require.Contains(t, e.Text, m.Says)
		require.Equal(t, e.Text, e.String())
	})
}

func TestNoExplanationShowsASecretAMACOrTheBody(t *testing.T) {
	forEachMistake(t, func(t *testing.T, _ *mistakes.Mistake, d *mistakes.Delivery) {
		text := explain(t, d).Text
		require.NotContains(t, text, "\n")
		hidden := []string{d.Given, d.Signing, d.Former, string(d.Body), mistakes.Body}
		for _, values := range d.Header {
			hidden = append(hidden, values...)
		}
		mac := referenceMAC(d.Signing, d.Body)
		hidden = append(hidden, hex.EncodeToString(mac), base64.StdEncoding.EncodeToString(mac))
		const telling = 12 // bytes in a row
		for _, h := range hidden {
			for i := 0; i+telling <= len(h) && i < 500; i++ {
				if strings.Contains(text, h[i:i+telling]) { // NotContains takes its time
					require.NotContains(t, text, h[i:i+telling])
				}
			}
		}
	})
}

func TestAGenuineDeliveryHasNoMistake(t *testing.T) {
	for _, s := range senders() {
		d := s.Send(mistakes.Secret, []byte(mistakes.Body))
		require.Equal(t, signature.NoMistake, explain(t, d).Mistake)
	}
}

// A forgery is made by somebody who knows no secret, or has changed what was signed.
func TestRandomForgeriesGetNoFalseExplanation(t *testing.T) {
	random := rand.New(rand.NewPCG(2026, 11))
	ring := newRing(t, signature.NewKey("old", "an-older-secret-1"), signature.NewKey("default", testSecret))
	require.NoError(t, ring.Set(signature.NewKey("default", testSecret), signature.NewKey("next", `"bm90LXRoaXMtb25l"`)))
	names := []string{"timestamp", "delivery", "body"}
	for i := range 2000 {
		scheme, form := headScheme(), names[random.IntN(3)]
		h := fullHeader()
		body := randomJSON(random)
		secret := testSecret
		if i%2 == 0 {
			secret = fmt.Sprintf("%x", random.Uint64())
		}
		require.NoError(t, scheme.Sign(signature.NewKey("default", secret), form, h, body))
		if i%2 == 1 {
			body = forge(t, random, body)
		}
		if i%5 == 0 {
			mac := make([]byte, 32)
			for i := range mac {
				mac[i] = byte(random.Uint32())
			}
			h.Set(headerSignature, hex.EncodeToString(mac))
		}
		if i%3 == 0 {
			pinned, err := scheme.Pin(names[random.IntN(3)])
			require.NoError(t, err)
			scheme = pinned
		}
		e := signature.Explain(signature.Question{Scheme: scheme, Keys: ring, Header: h, Body: body})
		require.Equal(t, signature.Unexplained, e.Mistake, "%s\n%s", e.Text, body)
	}
}

func randomJSON(random *rand.Rand) []byte {
	words := []string{"é", "<b>", "a/b", "\n", "ping", "😀", "", "aGVsbG8"}
	m := map[string]any{"type": "ping", "n": random.IntN(1000)}
	for i := range 1 + random.IntN(5) {
		m[fmt.Sprint("key", i)] = words[random.IntN(len(words))]
		m[fmt.Sprint("list", i)] = []any{random.Float64(), nil, map[string]any{"x": true}}
	}
	b, _ := json.MarshalIndent(m, "", strings.Repeat(" ", random.IntN(3)))
	return b
}

// forge changes one value, drops a member or adds one.
func forge(t *testing.T, random *rand.Rand, body []byte) []byte {
	t.Helper()
	var m map[string]any
	require.NoError(t, json.Unmarshal(body, &m))
	switch random.IntN(3) {
	case 0:
		m["n"] = random.IntN(1000) + 1000
	case 1:
		delete(m, "n")
	default:
		m["added"] = random.IntN(10)
	}
	b, err := json.Marshal(m)
	require.NoError(t, err)
	return b
}

func TestFreshnessIsExplainedByHowFarAndWhichWay(t *testing.T) {
	window := signature.Window{Past: 5 * time.Minute, Future: signature.DefaultSkew}
	signed := time.Unix(1795283259, 0)
	for _, test := range []struct {
		later   time.Duration // our clock, than the sender's
		mistake signature.Mistake
		says    []string
	}{
		{0, signature.NoMistake, nil},
		{5 * time.Minute, signature.NoMistake, nil},
		{-5 * time.Minute, signature.NoMistake, nil},
		{12 * time.Minute, signature.TimeStale, []string{"12m0s back", " 7m0s beyond the window of 5m0s", "our clock is ahead"}},
		{5*time.Minute + time.Microsecond, signature.TimeStale, []string{"5m0s back", "1ms beyond"}},
		{-7*time.Minute - 400*time.Millisecond, signature.TimeAhead, []string{"7m0s ahead", " 2m0s beyond the allowed skew of 5m0s", "our clock is behind"}},
		{2*time.Hour + 40*time.Second, signature.TimeStale, []string{"off by 2 h", "taken for UTC"}},
		{-3*time.Hour + time.Minute, signature.TimeAhead, []string{"off by 3 h"}},
		{200 * 365 * 24 * time.Hour, signature.TimeStale, []string{"more than a century back"}},
	} {
		s := senders()["timestamp"]
		q, err := s.Send(mistakes.Secret, []byte(mistakes.Body)).Question()
		require.NoError(t, err)
		q.Window, q.Now = window, signed.Add(test.later)
		e := signature.Explain(q)
		require.Equal(t, test.mistake, e.Mistake, "%v: %s", test.later, e.Text)
		for _, text := range test.says {
			require.Contains(t, e.Text, text)
		}
		require.Equal(t, e, window.Explain(signed, q.Now), "the header's time is the one that counts")

		q.Header = signedAlone(t)
		q.Scheme, q.SignedAt = bodyScheme(), signed
		require.Equal(t, e, signature.Explain(q), "and otherwise the one that is given")
	}
	for _, off := range []time.Duration{2*time.Hour + 61*time.Second, 30 * time.Minute, 15 * time.Hour} {
		require.NotContains(t, window.Explain(signed, signed.Add(off)).Text, "UTC")
	}
}

func signedAlone(t *testing.T) http.Header {
	t.Helper()
	h := make(http.Header)
	require.NoError(t, bodyScheme().Sign(signature.NewKey("default", mistakes.Secret), "", h, []byte(mistakes.Body)))
	return h
}

func TestASignatureIsExplainedBeforeItsTime(t *testing.T) {
	s := senders()["timestamp"]
	d := s.Send(mistakes.Secret, []byte(mistakes.Body))
	d.Given += "\n"
	q, err := d.Question()
	require.NoError(t, err)
	q.Window, q.Now = signature.Window{Past: time.Minute}, time.Unix(1795283259, 0).Add(time.Hour)
	require.Equal(t, signature.SecretBlanks, signature.Explain(q).Mistake)
}

func TestAQuestionThatNothingCanVerifySaysSo(t *testing.T) {
	e := signature.Explain(signature.Question{Scheme: bodyScheme()})
	require.Equal(t, signature.Explanation{Mistake: signature.Unexplained, Text: "there is no live key, so nothing can verify"}, e)
	e = signature.Explain(signature.Question{Keys: defaultRing(t)})
	require.Equal(t, signature.Unexplained, e.Mistake)
	require.Contains(t, e.Text, "contradicts itself")
}

func TestNoTimeInTheHeadersIsNoMistake(t *testing.T) {
	q := signature.Question{Scheme: bodyScheme(), Keys: newRing(t, signature.NewKey("default", mistakes.Secret)), Header: signedAlone(t), Body: []byte(mistakes.Body), Window: signature.Window{Past: time.Minute}}
	e := signature.Explain(q)
	require.Equal(t, signature.NoMistake, e.Mistake)
	require.Contains(t, e.Text, "no time is there")
}

// A sentence that names one of two possible culprits would be false half of the time.
func TestExplain_NamesEveryPossibleCause(t *testing.T) {
	both := []signature.Mistake{
		signature.BodyReserialized, signature.BodyEnds, signature.BodyLineBreaks, signature.BodyByteOrderMark, signature.BodyCharset,
		signature.BodyEscaped, signature.HeaderMissing,
	}
	forEachMistake(t, func(t *testing.T, m *mistakes.Mistake, d *mistakes.Delivery) {
		if slices.Contains(both, m.Mistake) && m.Name != "an empty signature" {
			require.Regexp(t, "either the sender .* or something on the way|either the sender .* or something parsed", explain(t, d).Text)
		}
	})
}

func TestExplain_DoesNotDenySignatureWithoutTime(t *testing.T) {
	for name, s := range senders() {
		if name == "alone" {
			continue
		}
		d := s.Send(mistakes.Secret, []byte(mistakes.Body))
		d.Header.Del(headerTime)
		e := explain(t, d)
		require.Equal(t, signature.HeaderMissing, e.Mistake)
		require.Contains(t, e.Text, headerTime)
		require.NotContains(t, e.Text, "does not sign")
	}
}

func TestExplain_TellsListFromOtherScheme(t *testing.T) {
	s := senders()["timestamp"]
	d := s.Send(mistakes.Secret, []byte(mistakes.Body))
	d.Header.Set(headerSignature, "t="+d.Header.Get(headerTime)+",v1="+strings.TrimPrefix(d.Header.Get(headerSignature), s.Scheme.Prefix))
	require.Contains(t, explain(t, d).Text, "the signature is right, but", "the list has what the scheme signs")

	alone := senders()["alone"].Send(mistakes.Secret, []byte(mistakes.Body))
	alone.Header.Set(headerSignature, d.Header.Get(headerSignature))
	e := explain(t, alone)
	require.Equal(t, signature.MACInList, e.Mistake)
	require.Contains(t, e.Text, "by another scheme than this one, which signs body")
	require.NotContains(t, e.Text, "the signature is right")
}
