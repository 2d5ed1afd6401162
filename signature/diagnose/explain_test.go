package diagnose_test

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

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

func senders() map[string]*signtest.Sender {
	now := time.Unix(1795283259, 0)
	all := map[string]*signtest.Sender{"alone": {Scheme: signtest.BodyScheme(), Now: now}}
	for _, f := range signtest.HeadScheme().Forms {
		all[f.Name] = &signtest.Sender{Scheme: signtest.HeadScheme(), Form: f.Name, Now: now}
	}
	return all
}

// forEachCase calls f for each bad signature with each scheme it applies to. It requires that each applies to one.
func forEachCase(t *testing.T, f func(t *testing.T, m *signtest.Case, d *signtest.Delivery)) {
	t.Helper()
	made := make(map[string]bool)
	for name, s := range senders() {
		for _, m := range signtest.Cases() {
			if d := m.Make(s); d != nil {
				made[m.Name] = true
				t.Run(name+"/"+m.Name, func(t *testing.T) { f(t, &m, d) })
			}
		}
	}
	for _, m := range signtest.Cases() {
		require.True(t, made[m.Name], m.Name)
	}
}

func explain(t testing.TB, d *signtest.Delivery) diagnose.Explanation {
	t.Helper()
	q, err := d.Input()
	require.NoError(t, err)
	return diagnose.Explain(q)
}

func TestExplain_FindsEachCause(t *testing.T) {
	require.GreaterOrEqual(t, len(signtest.Cases()), 100)
	forEachCase(t, func(t *testing.T, m *signtest.Case, d *signtest.Delivery) {
		q, err := d.Input()
		require.NoError(t, err)
		_, err = signtest.NewVerifier(t, d.Scheme).Verify(q.Keys, d.Header, d.Body)
		require.Error(t, err, "it is bad only if it is refused")
		e := diagnose.Explain(q)
		require.Equal(t, m.Cause, e.Cause, e.Text)
		require.Contains(t, e.Text, m.Says)
		require.Equal(t, e.Text, e.String())
	})
}

func TestExplain_HidesSecretMACAndBody(t *testing.T) {
	forEachCase(t, func(t *testing.T, _ *signtest.Case, d *signtest.Delivery) {
		text := explain(t, d).Text
		require.NotContains(t, text, "\n")
		hidden := []string{d.Given, d.Signing, d.Previous, string(d.Body), signtest.Body}
		for _, values := range d.Header {
			hidden = append(hidden, values...)
		}
		mac := signtest.MAC(d.Signing, d.Body)
		hidden = append(hidden, hex.EncodeToString(mac), base64.StdEncoding.EncodeToString(mac))
		const telling = 12 // consecutive bytes
		for _, h := range hidden {
			for i := 0; i+telling <= len(h) && i < 500; i++ {
				if strings.Contains(text, h[i:i+telling]) { // NotContains is slow
					require.NotContains(t, text, h[i:i+telling])
				}
			}
		}
	})
}

func TestExplain_FindsNoCauseWhenGenuine(t *testing.T) {
	for _, s := range senders() {
		d := s.Send(signtest.OddSecret, []byte(signtest.Body))
		require.Equal(t, diagnose.None, explain(t, d).Cause)
	}
}

// A forger knows no secret, or has changed the signed bytes.
func TestExplain_GivesForgeriesNoFalseCause(t *testing.T) {
	random := rand.New(rand.NewPCG(2026, 11))
	ring := signtest.NewRing(t, signature.NewKey("old", "an-older-secret-1"), signature.NewKey("default", signtest.Secret))
	require.NoError(t, ring.Set(signature.NewKey("default", signtest.Secret), signature.NewKey("next", `"bm90LXRoaXMtb25l"`)))
	names := []string{"timestamp", "delivery", "body"}
	for i := range 2000 {
		scheme, form := signtest.HeadScheme(), names[random.IntN(3)]
		h := signtest.FullHeader()
		body := randomJSON(random)
		secret := signtest.Secret
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
			h.Set(signtest.HeaderSignature, hex.EncodeToString(mac))
		}
		if i%3 == 0 {
			pinned, err := scheme.Pin(names[random.IntN(3)])
			require.NoError(t, err)
			scheme = pinned
		}
		e := diagnose.Explain(diagnose.Input{Scheme: scheme, Keys: ring, Header: h, Body: body})
		require.Equal(t, diagnose.Unexplained, e.Cause, "%s\n%s", e.Text, body)
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

// forge changes one value, removes a member or adds one.
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

func TestExplain_ReportsHowStaleOrEarly(t *testing.T) {
	window := signature.Window{Past: 5 * time.Minute, Future: signature.DefaultSkew}
	signed := time.Unix(1795283259, 0)
	for _, test := range []struct {
		later time.Duration // by which our clock is ahead of the sender's
		cause diagnose.Cause
		says  []string
	}{
		{0, diagnose.None, nil},
		{5 * time.Minute, diagnose.None, nil},
		{-5 * time.Minute, diagnose.None, nil},
		{12 * time.Minute, diagnose.TimeStale, []string{"12m0s old", " 7m0s more than the window of 5m0s", "our clock is ahead"}},
		{5*time.Minute + time.Microsecond, diagnose.TimeStale, []string{"5m0s old", "1ms more than"}},
		{-7*time.Minute - 400*time.Millisecond, diagnose.TimeAhead, []string{"7m0s ahead", " 2m0s more than the allowed skew of 5m0s", "our clock is behind"}},
		{2*time.Hour + 40*time.Second, diagnose.TimeStale, []string{"difference of 2 h", "local time was sent as UTC"}},
		{-3*time.Hour + time.Minute, diagnose.TimeAhead, []string{"difference of 3 h"}},
		{200 * 365 * 24 * time.Hour, diagnose.TimeStale, []string{"more than a century old"}},
	} {
		s := senders()["timestamp"]
		q, err := s.Send(signtest.OddSecret, []byte(signtest.Body)).Input()
		require.NoError(t, err)
		q.Window, q.Now = window, signed.Add(test.later)
		e := diagnose.Explain(q)
		require.Equal(t, test.cause, e.Cause, "%v: %s", test.later, e.Text)
		for _, text := range test.says {
			require.Contains(t, e.Text, text)
		}
		require.Equal(t, e, diagnose.ExplainTime(window, signed, q.Now), "the header's time is the one that counts")

		q.Header = signedAlone(t)
		q.Scheme, q.SignedAt = signtest.BodyScheme(), signed
		require.Equal(t, e, diagnose.Explain(q), "and otherwise the one that is given")
	}
	for _, off := range []time.Duration{2*time.Hour + 61*time.Second, 30 * time.Minute, 15 * time.Hour} {
		require.NotContains(t, diagnose.ExplainTime(window, signed, signed.Add(off)).Text, "UTC")
	}
}

func signedAlone(t *testing.T) http.Header {
	t.Helper()
	h := make(http.Header)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("default", signtest.OddSecret), "", h, []byte(signtest.Body)))
	return h
}

func TestExplain_ChecksSignatureBeforeTime(t *testing.T) {
	s := senders()["timestamp"]
	d := s.Send(signtest.OddSecret, []byte(signtest.Body))
	d.Given += "\n"
	q, err := d.Input()
	require.NoError(t, err)
	q.Window, q.Now = signature.Window{Past: time.Minute}, time.Unix(1795283259, 0).Add(time.Hour)
	require.Equal(t, diagnose.SecretWhitespace, diagnose.Explain(q).Cause)
}

func TestExplain_ReportsUnusableInput(t *testing.T) {
	e := diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme()})
	require.Equal(t, diagnose.Explanation{Cause: diagnose.Unexplained, Text: "there is no live key, so nothing can verify"}, e)
	e = diagnose.Explain(diagnose.Input{Keys: signtest.DefaultRing(t)})
	require.Equal(t, diagnose.Unexplained, e.Cause)
	require.Contains(t, e.Text, "the scheme is invalid")
}

func TestExplain_AcceptsMissingTime(t *testing.T) {
	q := diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.NewRing(t, signature.NewKey("default", signtest.OddSecret)), Header: signedAlone(t), Body: []byte(signtest.Body), Window: signature.Window{Past: time.Minute}}
	e := diagnose.Explain(q)
	require.Equal(t, diagnose.None, e.Cause)
	require.Contains(t, e.Text, "has no time to check")
}

// A sentence that names one of two possible culprits would be false half of the time.
func TestExplain_NamesEveryPossibleCause(t *testing.T) {
	both := []diagnose.Cause{
		diagnose.BodyReserialized, diagnose.BodyEnds, diagnose.BodyLineBreaks, diagnose.BodyByteOrderMark, diagnose.BodyCharset,
		diagnose.BodyEscaped, diagnose.HeaderMissing,
	}
	forEachCase(t, func(t *testing.T, m *signtest.Case, d *signtest.Delivery) {
		if slices.Contains(both, m.Cause) && m.Name != "an empty signature" {
			require.Regexp(t, "either the sender .* or something on the way|either the sender .* or something parsed", explain(t, d).Text)
		}
	})
}

func TestExplain_DoesNotDenySignatureWithoutTime(t *testing.T) {
	for name, s := range senders() {
		if name == "alone" {
			continue
		}
		d := s.Send(signtest.OddSecret, []byte(signtest.Body))
		d.Header.Del(signtest.HeaderTime)
		e := explain(t, d)
		require.Equal(t, diagnose.HeaderMissing, e.Cause)
		require.Contains(t, e.Text, signtest.HeaderTime)
		require.NotContains(t, e.Text, "does not sign")
	}
}

func TestExplain_DistinguishesListFromOtherScheme(t *testing.T) {
	s := senders()["timestamp"]
	d := s.Send(signtest.OddSecret, []byte(signtest.Body))
	d.Header.Set(signtest.HeaderSignature, "t="+d.Header.Get(signtest.HeaderTime)+",v1="+strings.TrimPrefix(d.Header.Get(signtest.HeaderSignature), s.Scheme.Versions[0].Prefix))
	require.Contains(t, explain(t, d).Text, "the signature is right, but", "the list must be explained as the scheme's")

	alone := senders()["alone"].Send(signtest.OddSecret, []byte(signtest.Body))
	alone.Header.Set(signtest.HeaderSignature, d.Header.Get(signtest.HeaderSignature))
	e := explain(t, alone)
	require.Equal(t, diagnose.MACInList, e.Cause)
	require.Contains(t, e.Text, "That is another scheme than this one, which signs body")
	require.NotContains(t, e.Text, "the signature is right")
}
