package signature_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// lifetime returns a key with the usual secret.
func lifetime(name string, notBefore, notAfter time.Time) signature.Key {
	return signature.Key{Name: name, Secret: signature.NewSecret(signtest.Secret), NotBefore: notBefore, NotAfter: notAfter}
}

func signed(t *testing.T, body string) http.Header {
	t.Helper()
	h := signtest.FullHeader()
	require.NoError(t, signtest.BodyScheme().Sign(lifetime("expired", time.Time{}, noon.Add(-time.Hour)), "", h, []byte(body)), "signing ignores the lifetime")
	return h
}

func TestLifetime_BoundsVerify(t *testing.T) {
	var never time.Time
	v, h := signtest.NewVerifier(t, signtest.BodyScheme()), signed(t, "body")
	for name, c := range map[string]struct {
		key   signature.Key
		at    time.Time
		valid bool
	}{
		"no bound":               {lifetime("k", never, never), noon, true},
		"at NotBefore":           {lifetime("k", noon, never), noon, true},
		"just before NotBefore":  {lifetime("k", noon, never), noon.Add(-1), false},
		"at NotAfter":            {lifetime("k", never, noon), noon, false},
		"just before NotAfter":   {lifetime("k", never, noon), noon.Add(-1), true},
		"between":                {lifetime("k", noon, noon.Add(2)), noon.Add(1), true},
		"after both":             {lifetime("k", noon, noon.Add(2)), noon.Add(2), false},
		"at NotBefore elsewhere": {lifetime("k", noon, never), noon.In(time.FixedZone("", 3600)), true},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.valid, c.key.ValidAt(c.at))
			ring := signtest.NewRing(t, c.key)
			require.Equal(t, []string{"k"}, ring.Names())
			require.Len(t, ring.Keys(), 1)
			match, err := v.VerifyAt(ring, h, []byte("body"), c.at)
			if c.valid {
				require.NoError(t, err)
				require.Equal(t, "k", match.Key)
				return
			}
			requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
			_, unknown := v.VerifyAt(signtest.NewRing(t, signature.NewKey("k", "unknown")), h, []byte("body"), c.at)
			require.Equal(t, unknown, err, "the error reveals nothing")
		})
	}
}

func TestLifetime_VerifyUsesClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ring := signtest.NewRing(t, lifetime("old", time.Time{}, start.Add(2*time.Hour)), lifetime("new", start.Add(time.Hour), start.Add(3*time.Hour)))
		v, h := signtest.NewVerifier(t, signtest.BodyScheme()), signed(t, "body")
		for range 2 {
			match, err := v.Verify(ring, h, []byte("body"))
			require.NoError(t, err)
			require.Equal(t, "old", match.Key)
			time.Sleep(time.Hour)
		}
		match, err := v.Verify(ring, h, []byte("body"))
		require.NoError(t, err)
		require.Equal(t, "new", match.Key)
		time.Sleep(time.Hour)
		_, err = v.Verify(ring, h, []byte("body"))
		requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
		require.Equal(t, []string{"old", "new"}, ring.Names())
	})
}

func TestLifetime_CostsNoMACOutside(t *testing.T) {
	ring := signtest.NewRing(t, lifetime("old", time.Time{}, noon), signature.NewKey("other", "other"))
	macs := signature.CountMACs(ring)
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(ring, signed(t, "body"), []byte("body"))
	require.Error(t, err)
	require.EqualValues(t, 1, macs.Load())
}

func TestLifetime_VerifyAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ring := signtest.NewRing(t, lifetime("old", time.Time{}, noon.AddDate(-1, 0, 0)), lifetime("new", noon.AddDate(-1, 0, 0), time.Time{}))
	v, h, body := signtest.NewVerifier(t, signtest.BodyScheme()), signed(t, "body"), []byte("body")
	require.Zero(t, testing.AllocsPerRun(200, func() {
		if _, err := v.Verify(ring, h, body); err != nil {
			t.Error(err)
		}
	}))
}

func TestLifetime_IsExplained(t *testing.T) {
	var never time.Time
	text := func(bounds string) string {
		return `it was signed with the key "k", which is valid only ` + bounds + `: change the lifetime, or set a valid key at the sender; if it should be valid now, check the clock`
	}
	const before, after = "from 2026-11-21T13:00:00Z", "until 2026-11-21T11:00:00Z"
	other := signature.NewKey("other", "another secret")
	soon, ended := lifetime("k", noon.Add(time.Hour), never), lifetime("k", never, noon.Add(-time.Hour))
	both := lifetime("k", noon.Add(time.Hour), noon.Add(2*time.Hour))
	const body = `{"type":"ping"}`
	for name, c := range map[string]struct {
		keys  []signature.Key
		body  string
		cause diagnose.Cause
		text  string
	}{
		"not yet":                 {[]signature.Key{other, soon}, body, diagnose.KeyLifetime, text(before)},
		"no longer":               {[]signature.Key{other, ended}, body, diagnose.KeyLifetime, text(after)},
		"both bounds":             {[]signature.Key{other, both}, body, diagnose.KeyLifetime, text(before + " until 2026-11-21T14:00:00Z")},
		"the only key":            {[]signature.Key{ended}, body, diagnose.KeyLifetime, text(after)},
		"valid under other name":  {[]signature.Key{ended, lifetime("new", noon, never)}, body, diagnose.None, ""},
		"forged":                  {[]signature.Key{other, ended}, `{"type":"pong"}`, diagnose.Unexplained, "forged"},
		"forged, no valid key":    {[]signature.Key{ended}, `{"type":"pong"}`, diagnose.Unexplained, "all live keys are outside their lifetime, so nothing can verify"},
		"rewritten, no valid key": {[]signature.Key{ended}, `{"type": "ping"}`, diagnose.Unexplained, "all live keys are outside"},
	} {
		t.Run(name, func(t *testing.T) {
			e := diagnose.Explain(diagnose.Input{
				Scheme: signtest.BodyScheme(), Keys: signtest.NewRing(t, c.keys...), Header: signed(t, body), Body: []byte(c.body), Now: noon,
			})
			require.Equal(t, c.cause, e.Cause, e.Text)
			require.Contains(t, e.Text, c.text)
		})
	}
	h := signed(t, body)
	h.Set(signtest.HeaderSignature, "no signature")
	e := diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.NewRing(t, ended), Header: h, Body: []byte(body), Now: noon})
	require.Equal(t, diagnose.HeaderMalformed, e.Cause, e.Text)
}
