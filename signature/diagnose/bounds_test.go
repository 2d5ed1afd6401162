package diagnose_test

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// hostileBodies returns the most expensive bodies of that size.
func hostileBodies(size int) map[string][]byte {
	fill := func(text string) []byte { return bytes.Repeat([]byte(text), size/len(text)) }
	nested := min(size/2, 9_000) // encoding/json refuses deeper nesting
	return map[string][]byte{
		"no JSON":      fill("x"),
		"nested":       []byte(strings.Repeat("[", nested) + strings.Repeat("]", nested)),
		"nested apart": []byte(strings.Repeat(`[1,`, nested) + "1" + strings.Repeat("]", nested)),
		"empty lists":  append(append([]byte("[[]"), fill(",[]")...), ']'),
		"members":      append(append([]byte(`{"a":1`), fill(`,"a":1`)...), '}'),
		"characters":   append(append([]byte(`["`), fill("é")...), `"]`...),
		"escapes":      append(append([]byte(`["`), fill(`\u0001`)...), `"]`...),
		"line breaks":  fill("\r\n"),
		"base64":       fill("aGVs"),
		"event":        append(append([]byte(`{"body":"`), fill("aGVs")...), `"}`...),
		"zeros, compressed": func() []byte {
			d := bytes.Repeat(signtest.Compress(make([]byte, 1<<20)), 64) // compressing it at once takes 20 s under the race detector
			return append(d, make([]byte, max(0, size-len(d)))...)
		}(),
	}
}

// hostile returns the input of a forged delivery with the maximum number of keys and forms.
func hostile(t testing.TB, body []byte) diagnose.Input {
	t.Helper()
	ring := new(signature.Keyring)
	for _, generation := range []string{"previous", "live"} {
		keys := make([]signature.Key, signature.MaxKeys)
		for i := range keys {
			keys[i] = signature.NewKey(fmt.Sprint(i), fmt.Sprintf("whsec_MDEyMzQ1Njc4OWFiY2RlZg%s%02d", generation, i))
		}
		require.NoError(t, ring.Set(keys...))
	}
	h := signtest.FullHeader()
	h.Set(signtest.HeaderSignature, strings.Repeat("ab", 32))
	return diagnose.Input{Scheme: signtest.HeadScheme(), Keys: ring, Header: h, Body: body}
}

func TestExplain_LimitsCostOfHostileBody(t *testing.T) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20} {
		for name, body := range hostileBodies(size) {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				q := hostile(t, body)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				e, cost := diagnose.ExplainCost(q)
				runtime.ReadMemStats(&after)
				require.Equal(t, diagnose.Unexplained, e.Cause)
				require.LessOrEqual(t, cost.Spent, int64(4<<20))
				require.LessOrEqual(t, cost.MACs*int64(len(body)), 4<<20+cost.Spent, "what is hashed is paid for")
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))
				if size == 1<<20 && len(body) > size/2 {
					require.Contains(t, e.Text, "too long", "the text must say that not all causes were tried")
				}
			})
		}
	}
}

func TestExplain_LimitsDecompression(t *testing.T) {
	bomb := bytes.Repeat(signtest.Compress(make([]byte, 1<<20)), 64)
	h := make(http.Header)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("k", "another"), "", h, bomb))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: h, Body: bomb})
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(16<<20))
}

func TestExplain_TriesAllOnSmallBody(t *testing.T) {
	q := hostile(t, []byte(signtest.Body))
	e, _ := diagnose.ExplainCost(q)
	require.NotContains(t, e.Text, "too long")
	require.Contains(t, e.Text, "forged")
}

func TestExplain_ReportsJSONTooLongToParse(t *testing.T) {
	body := append(append([]byte(`["`), bytes.Repeat([]byte("a"), 300<<10)...), `"]`...)
	h := make(http.Header)
	require.NoError(t, signtest.BodyScheme().Sign(signature.NewKey("k", "another"), "", h, body))
	e := diagnose.Explain(diagnose.Input{Scheme: signtest.BodyScheme(), Keys: signtest.DefaultRing(t), Header: h, Body: body})
	require.Contains(t, e.Text, "too long")
}

func FuzzExplain(f *testing.F) {
	for _, s := range senders() {
		for _, m := range signtest.Cases() {
			if d := m.Make(s); d != nil {
				f.Add(d.Header.Get(signtest.HeaderSignature), d.Header.Get(signtest.HeaderTime), d.Header.Get(signtest.HeaderDelivery), d.Given, d.Body, d.Declared)
			}
		}
	}
	for _, body := range hostileBodies(1 << 10) {
		f.Add(strings.Repeat("ab", 32), signtest.Time, "dlv_1", signtest.Secret, body, int64(0))
	}
	f.Fuzz(func(t *testing.T, mac, stamp, delivery, secret string, body []byte, declared int64) {
		ring, err := signature.NewKeyring(signature.Scheme{Header: "X", Forms: []signature.Form{{Name: "body"}}}, signature.NewKey("default", secret))
		if err != nil {
			return
		}
		h := http.Header{signtest.HeaderSignature: {mac}, signtest.HeaderTime: {stamp}, signtest.HeaderDelivery: {delivery}}
		q := diagnose.Input{Scheme: signtest.HeadScheme(), Keys: ring, Header: h, Body: body, Declared: declared}
		e, cost := diagnose.ExplainCost(q)
		require.LessOrEqual(t, cost.Spent, int64(4<<20))
		require.NotEmpty(t, e.Cause)
		require.NotContains(t, e.Text, "\n")
		if _, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, body); err == nil {
			require.Equal(t, diagnose.None, e.Cause)
		} else {
			require.NotEqual(t, diagnose.None, e.Cause)
		}
	})
}

func BenchmarkExplain(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10, 1 << 20} {
		for name, body := range hostileBodies(size) {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, name), func(b *testing.B) {
				q := hostile(b, body)
				b.ReportAllocs()
				for b.Loop() {
					diagnose.Explain(q)
				}
			})
			q := hostile(b, body)
			q.Scheme, q.Keys = signtest.BodyScheme(), signtest.DefaultRing(b)
			b.Run(fmt.Sprintf("%dKiB/%s/one-key", size>>10, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					diagnose.Explain(q)
				}
			})
		}
	}
}

// listScheme returns a scheme with a list of signatures, HMAC and Ed25519.
func listScheme() signature.Scheme {
	return signature.Scheme{
		Header: "X-Signature", Separator: ",",
		Versions: []signature.Version{
			{Prefix: "v1="},
			{Prefix: "v1a=", Algorithm: signature.Ed25519, KeyEncoding: signature.Hex, KeyPrefixes: []string{"pk_"}},
		},
		Forms:  []signature.Form{{Name: "t.body", Signs: "{t}.{body}"}},
		Fields: []signature.Field{{Element: "t", Grammar: signature.UnixTime, Required: true}},
	}
}

// Each signature in a list costs as much as a single one.
func TestExplain_LimitsCostOfManySignatures(t *testing.T) {
	for element, secret := range map[string]string{
		",v1=" + strings.Repeat("ab", 32):  "secret-%064d",
		",v1a=" + strings.Repeat("ab", 64): "pk_%064d",
	} {
		keys := make([]signature.Key, signature.MaxKeys)
		for i := range keys {
			keys[i] = signature.NewKey(fmt.Sprint(i), fmt.Sprintf(secret, i+1))
		}
		ring, err := signature.NewKeyring(listScheme(), keys...)
		require.NoError(t, err)
		for _, size := range []int{20, 4 << 10, 256 << 10} {
			h := http.Header{"X-Signature": {"t=1700000000" + strings.Repeat(element, 8)}}
			body := []byte(`["` + strings.Repeat("x", size) + `"]`)
			e, cost := diagnose.ExplainCost(diagnose.Input{Scheme: listScheme(), Keys: ring, Header: h, Body: body})
			require.Equal(t, diagnose.Unexplained, e.Cause)
			require.LessOrEqual(t, cost.MACs*int64(len(body)), cost.Spent, "what is hashed is paid for")
			if strings.Contains(element, "v1a=") {
				require.Less(t, cost.MACs, int64(300), "verifying an Ed25519 signature costs as much as hashing 16 KiB")
			}
		}
	}
}

// A list of a million elements is refused after the first ones. It must not be split for its explanation.
func TestExplain_LimitsCostOfLongList(t *testing.T) {
	ring, err := signature.NewKeyring(listScheme(), signature.NewKey("a", "secret"))
	require.NoError(t, err)
	for _, list := range []string{"t=1700000000" + strings.Repeat(",", 1<<20), "t=1700000000" + strings.Repeat(",x", 1<<19), strings.Repeat("t=1,", 1<<18), strings.Repeat("x,", 1<<19)} {
		in := diagnose.Input{Scheme: listScheme(), Keys: ring, Header: http.Header{"X-Signature": {list}}, Body: []byte("{}")}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		e := diagnose.Explain(in)
		runtime.ReadMemStats(&after)
		require.NotEqual(t, diagnose.None, e.Cause)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "%.20s", list)
	}
}

// A signature that is marked as another version's is not that of the key.
func TestExplain_SeparatesVersions(t *testing.T) {
	s := listScheme()
	s.Versions = []signature.Version{{Prefix: "v1="}, {Prefix: "v2=", KeyPrefixes: []string{"v2_"}}}
	h := http.Header{"X-Signature": {"t=1700000000"}}
	require.NoError(t, s.Sign(signature.NewKey("a", "secret"), "", h, []byte("{}")))
	ring, err := signature.NewKeyring(s, signature.NewKey("a", "secret"))
	require.NoError(t, err)
	in := diagnose.Input{Scheme: s, Keys: ring, Header: h, Body: []byte("{}")}
	require.Equal(t, diagnose.None, diagnose.Explain(in).Cause)
	h.Set("X-Signature", strings.Replace(h.Get("X-Signature"), "v1=", "v2=", 1))
	require.NotEqual(t, diagnose.None, diagnose.Explain(in).Cause)
}
