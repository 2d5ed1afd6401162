package signature_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

func TestVerify_AcceptsHexInEitherCaseOnly(t *testing.T) {
	v, ring, good := signtest.NewVerifier(t, signtest.BodyScheme()), signtest.DefaultRing(t), signtest.Hex(signtest.Secret, "body")
	for at := range len(good) {
		for c := range 256 {
			text := []byte(good)
			text[at] = byte(c)
			_, err := v.Verify(ring, http.Header{signtest.HeaderSignature: {string(text)}}, []byte("body"))
			switch {
			case strings.EqualFold(string(text), good):
				require.NoError(t, err, string(text))
			case strings.IndexByte("0123456789abcdefABCDEF", byte(c)) >= 0:
				requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
			default:
				requireRefused(t, err, signature.Malformed, signtest.HeaderSignature)
			}
		}
	}
}

func TestVerify_AcceptsTokenCharactersOnly(t *testing.T) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	v, ring := signtest.NewVerifier(t, signtest.HeadScheme()), signtest.DefaultRing(t)
	for c := range 256 {
		for _, id := range []string{string([]byte{byte(c)}), "d" + string([]byte{byte(c)}), string([]byte{byte(c), 'd'})} {
			h := http.Header{signtest.HeaderTime: {signtest.Time}, signtest.HeaderDelivery: {id}}
			signtest.Sign(t, signtest.HeadScheme(), "delivery", h, []byte("{}"))
			_, err := v.Verify(ring, h, []byte("{}"))
			if strings.IndexByte(allowed, byte(c)) >= 0 {
				require.NoError(t, err, "%q", id)
			} else {
				requireRefused(t, err, signature.Malformed, signtest.HeaderDelivery)
			}
		}
	}
}

func TestVerify_RefusesAnyChangedByte(t *testing.T) {
	v, ring, body := signtest.NewVerifier(t, signtest.HeadScheme()), signtest.DefaultRing(t), []byte(`{"a":"some text that is longer than a block of SHA-256, so that there are two"}`)
	for _, form := range signtest.HeadScheme().Forms {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form.Name, h, body)
		for at := range body {
			body[at] ^= 1
			_, err := v.Verify(ring, h, body)
			require.ErrorIs(t, err, signature.Mismatch)
			body[at] ^= 1
		}
		_, err := v.Verify(ring, h, body)
		require.NoError(t, err)
	}
}

// Fault 6 of the peers.
func TestVerify_ComparesNoneOfManySignatures(t *testing.T) {
	good := signtest.Hex(signtest.Secret, "body")
	lines := make([]string, 100_000)
	for i := range lines {
		lines[i] = good
	}
	for name, c := range map[string]struct {
		values []string
		want   signature.Reason
	}{
		"joined with commas":  {[]string{strings.Join(lines, ",")}, signature.Malformed},
		"joined with spaces":  {[]string{strings.Join(lines, " ")}, signature.Malformed},
		"as many lines":       {lines, signature.Repeated},
		"one digit of 1 MB":   {[]string{strings.Repeat("a", 1<<20)}, signature.Malformed},
		"prefix without end":  {[]string{strings.Repeat("sha256=", 1<<17) + good}, signature.Malformed},
		"a second, empty one": {[]string{good, ""}, signature.Repeated},
		"nothing":             {nil, signature.Missing},
	} {
		ring := signtest.NewRing(t, append(manyKeys(3), signature.NewKey("default", signtest.Secret))...)
		macs := signature.CountMACs(ring)
		h := signtest.FullHeader()
		h[signtest.HeaderSignature] = c.values
		_, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, []byte("body"))
		requireRefused(t, err, c.want, signtest.HeaderSignature)
		require.Zero(t, macs.Load(), name)
	}
}

func TestVerify_RefusesBadHeaderBeforeHashing(t *testing.T) {
	for name, spoil := range map[string]func(http.Header){
		"no timestamp":        func(h http.Header) { h.Del(signtest.HeaderTime) },
		"timestamp of 1 MB":   func(h http.Header) { h.Set(signtest.HeaderTime, strings.Repeat("1", 1<<20)) },
		"timestamp twice":     func(h http.Header) { h.Add(signtest.HeaderTime, signtest.Time) },
		"delivery id of 1 MB": func(h http.Header) { h.Set(signtest.HeaderDelivery, strings.Repeat("d", 1<<20)) },
		"delivery id twice":   func(h http.Header) { h.Add(signtest.HeaderDelivery, "d") },
		"delivery id empty":   func(h http.Header) { h.Set(signtest.HeaderDelivery, "") },
	} {
		ring, h := signtest.DefaultRing(t), signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), "timestamp", h, nil)
		spoil(h)
		macs := signature.CountMACs(ring)
		_, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, nil)
		require.Error(t, err, name)
		require.Zero(t, macs.Load(), name)
	}
}

func TestVerify_LimitsMACsOnMismatch(t *testing.T) {
	ring, h := signtest.NewRing(t, manyKeys(5)...), signtest.FullHeader()
	signtest.Sign(t, signtest.HeadScheme(), "timestamp", h, nil)
	macs := signature.CountMACs(ring)
	_, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	require.Equal(t, int64(5*3), macs.Load())

	h.Del(signtest.HeaderDelivery) // a form with a missing header is not tried
	macs.Store(0)
	_, err = signtest.NewVerifier(t, signtest.HeadScheme()).Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
	require.Equal(t, int64(5*2), macs.Load())
}

func TestVerify_TriesLastMatchFirst(t *testing.T) {
	ring, v := signtest.DefaultRing(t), signtest.NewVerifier(t, signtest.HeadScheme())
	macs := signature.CountMACs(ring)
	cost := func(form string) int64 {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form, h, nil)
		macs.Store(0)
		match, err := v.Verify(ring, h, nil)
		require.NoError(t, err)
		require.Equal(t, form, match.Form())
		return macs.Load()
	}
	for _, c := range []struct {
		form string
		want int64
	}{
		{"timestamp", 1}, {"timestamp", 1}, {"body", 3}, {"body", 1}, {"timestamp", 2}, {"timestamp", 1}, {"delivery", 2}, {"delivery", 1}, {"timestamp", 3}, {"body", 3}, {"delivery", 3},
	} {
		require.Equal(t, c.want, cost(c.form), c.form)
	}
}

func TestVerify_KeepsOrderAfterMismatch(t *testing.T) {
	ring, v := signtest.DefaultRing(t), signtest.NewVerifier(t, signtest.HeadScheme())
	warm(t, v, signtest.HeadScheme(), "body")
	forged := signtest.FullHeader()
	require.NoError(t, signtest.HeadScheme().Sign(signature.NewKey("x", "another"), "delivery", forged, nil))
	_, err := v.Verify(ring, forged, nil)
	require.Error(t, err)

	h := signtest.FullHeader()
	signtest.Sign(t, signtest.HeadScheme(), "body", h, nil)
	macs := signature.CountMACs(ring)
	_, err = v.Verify(ring, h, nil)
	require.NoError(t, err)
	require.Equal(t, int64(1), macs.Load())
}

// Fault 7 of the peers. Nothing here may panic.
func TestVerify_NeverPanics(t *testing.T) {
	odd := []string{"", "a", "=", "sha256=", "sha256", "\x00", "\xff\xfe", "é", ",", ".", strings.Repeat("\xff", 64), strings.Repeat("0", 64), strings.Repeat("é", 32), "sha256=" + strings.Repeat("g", 64)}
	ring := signtest.DefaultRing(t)
	for _, scheme := range []signature.Scheme{signtest.BodyScheme(), signtest.HeadScheme()} {
		v := signtest.NewVerifier(t, scheme)
		for _, mac := range odd {
			for _, other := range odd {
				for _, h := range []http.Header{nil, {}, {signtest.HeaderSignature: nil}, {signtest.HeaderSignature: {mac}}, {signtest.HeaderSignature: {mac}, signtest.HeaderTime: {other}, signtest.HeaderDelivery: {other}}, {signtest.HeaderSignature: {mac}, signtest.HeaderTime: {signtest.Time}, signtest.HeaderDelivery: nil}, {signtest.HeaderSignature: {mac, other}, signtest.HeaderTime: {}}} {
					_, err := v.Verify(ring, h, []byte(other))
					require.Error(t, err)
				}
			}
		}
	}
}

func TestVerify_RefusesAllWithZeroVerifier(t *testing.T) {
	var v signature.Verifier
	for _, h := range []http.Header{nil, signtest.FullHeader(), {"": {signtest.Hex(signtest.Secret, "")}}} {
		_, err := v.Verify(signtest.DefaultRing(t), h, nil)
		require.ErrorIs(t, err, signature.Missing)
	}
}

func TestVerify_ReadsCanonicalHeaderNamesOnly(t *testing.T) {
	h := http.Header{strings.ToLower(signtest.HeaderSignature): {signtest.Hex(signtest.Secret, "body")}}
	_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(signtest.DefaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Missing, signtest.HeaderSignature)

	h[signtest.HeaderSignature] = []string{strings.Repeat("0", 64)} // the second value must not verify
	_, err = signtest.NewVerifier(t, signtest.BodyScheme()).Verify(signtest.DefaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, signtest.HeaderSignature)
}

func TestVerify_NamesHeaderInError(t *testing.T) {
	pinned, err := signtest.HeadScheme().Pin("delivery")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		scheme signature.Scheme
		spoil  func(http.Header)
		reason signature.Reason
		header string
		text   string
	}{
		"no signature":       {signtest.HeadScheme(), func(h http.Header) { h.Del(signtest.HeaderSignature) }, signature.Missing, signtest.HeaderSignature, "signature: the header X-Acme-Signature is missing or empty"},
		"signature twice":    {signtest.HeadScheme(), func(h http.Header) { h.Add(signtest.HeaderSignature, "a") }, signature.Repeated, signtest.HeaderSignature, "signature: the header X-Acme-Signature appears more than once"},
		"signature not hex":  {signtest.HeadScheme(), func(h http.Header) { h.Set(signtest.HeaderSignature, "a") }, signature.Malformed, signtest.HeaderSignature, "signature: the header X-Acme-Signature is not one HMAC-SHA256 in hex"},
		"wrong signature":    {signtest.HeadScheme(), func(h http.Header) { h.Set(signtest.HeaderSignature, strings.Repeat("0", 64)) }, signature.Mismatch, signtest.HeaderSignature, "signature: the header X-Acme-Signature does not match: no live key makes it over the received bytes"},
		"no timestamp":       {signtest.HeadScheme(), func(h http.Header) { h.Del(signtest.HeaderTime) }, signature.Missing, signtest.HeaderTime, "signature: the header X-Acme-Time is missing or empty"},
		"bad timestamp":      {signtest.HeadScheme(), func(h http.Header) { h.Set(signtest.HeaderTime, "now") }, signature.Malformed, signtest.HeaderTime, "signature: the header X-Acme-Time does not have its documented format"},
		"covered by the pin": {pinned, func(h http.Header) { h.Del(signtest.HeaderDelivery) }, signature.Missing, signtest.HeaderDelivery, "signature: the header X-Acme-Delivery is missing, and every accepted form covers it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := signtest.FullHeader()
			signtest.Sign(t, signtest.HeadScheme(), "delivery", h, nil)
			c.spoil(h)
			_, err := signtest.NewVerifier(t, c.scheme).Verify(signtest.DefaultRing(t), h, nil)
			requireRefused(t, err, c.reason, c.header)
			require.EqualError(t, err, c.text)
			require.EqualError(t, c.reason, string(c.reason))
		})
	}
}

// Fault 5 of the peers.
func TestVerify_HidesSecretsAndHeadersInError(t *testing.T) {
	refused := 0
	for _, file := range vectorFiles(t) {
		scheme := file.SchemeFor(t, "")
		for _, v := range receivable(file) {
			h, body := v.Header(), v.Body()
			_, err := judge(t, file, &v)
			if err == nil {
				continue
			}
			refused++
			text := fmt.Sprintf("%v %+v %#v %q", err, err, err, err)
			for _, k := range v.Keys {
				requireHidden(t, text, k.Secret)
				for _, form := range scheme.Forms {
					var signed string
					for _, name := range form.Covers() {
						signed += h.Get(name) + "."
					}
					requireHidden(t, text, string(signtest.MAC(k.Secret, []byte(signed+string(body)))))
				}
			}
			for _, line := range v.Headers {
				if len(line[1]) > 2 {
					require.NotContains(t, text, line[1])
				}
			}
		}
	}
	require.Greater(t, refused, 400)
}

func TestMatch_IgnoresSignatureSpellingInDigest(t *testing.T) {
	body := []byte(`{"a":1}`)
	for _, form := range signtest.HeadScheme().Forms {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form.Name, h, body)
		mac := strings.TrimPrefix(h.Get(signtest.HeaderSignature), "sha256=")
		digests := make(map[[32]byte]bool)
		for _, written := range []string{mac, strings.ToUpper(mac), "sha256=" + mac} {
			h.Set(signtest.HeaderSignature, written)
			match, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), h, body)
			require.NoError(t, err)
			digests[match.Digest(h, body)] = true
		}
		require.Len(t, digests, 1)
		var signed string
		for _, name := range form.Covers() {
			signed += h.Get(name) + "."
		}
		require.True(t, digests[sha256Sum(signed+string(body))])
	}
}

func TestMatch_DigestsCoveredBytesOnly(t *testing.T) {
	for form, wants := range map[string][2]bool{"timestamp": {true, false}, "delivery": {true, true}, "body": {false, false}} {
		h, other := signtest.FullHeader(), http.Header{signtest.HeaderTime: {"1795283260"}, signtest.HeaderDelivery: {"dlv_1"}}
		third := http.Header{signtest.HeaderTime: {signtest.Time}, signtest.HeaderDelivery: {"dlv_2"}}
		digest := func(h http.Header) [32]byte {
			signtest.Sign(t, signtest.HeadScheme(), form, h, nil)
			match, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), h, nil)
			require.NoError(t, err)
			return match.Digest(h, nil)
		}
		require.Equal(t, wants[0], digest(h) != digest(other), form)
		require.Equal(t, wants[1], digest(h) != digest(third), form)
	}
}

func TestMatch_ReportsCoveredHeaders(t *testing.T) {
	h := signtest.FullHeader()
	signtest.Sign(t, signtest.HeadScheme(), "timestamp", h, nil)
	match, err := signtest.NewVerifier(t, signtest.HeadScheme()).Verify(signtest.DefaultRing(t), h, nil)
	require.NoError(t, err)
	require.True(t, match.Covers(signtest.HeaderTime))
	require.True(t, match.Covers(strings.ToLower(signtest.HeaderTime)))
	require.False(t, match.Covers(signtest.HeaderDelivery))
	require.False(t, match.Covers(signtest.HeaderSignature))
	require.False(t, match.Covers(""))

	byCredential := signature.Match{Key: "token"}
	require.Empty(t, byCredential.Form())
	require.False(t, byCredential.Covers(signtest.HeaderTime))
	require.Equal(t, sha256Sum("body"), byCredential.Digest(h, []byte("body")))
}

func TestVerify_UsesCopyOfScheme(t *testing.T) {
	scheme := signtest.HeadScheme()
	v := signtest.NewVerifier(t, scheme)
	scheme.Fields[0].Header = signtest.HeaderDelivery
	scheme.Forms[2] = signature.Form{Name: "changed"}
	scheme.Fields[0].Required = false
	for _, form := range []string{"timestamp", "delivery", "body"} {
		warm(t, v, signtest.HeadScheme(), form)
	}
	h := signtest.FullHeader()
	signtest.Sign(t, signtest.HeadScheme(), "timestamp", h, nil)
	match, err := v.Verify(signtest.DefaultRing(t), h, nil)
	require.NoError(t, err)
	require.True(t, match.Covers(signtest.HeaderTime))
	require.False(t, match.Covers(signtest.HeaderDelivery))
	require.Equal(t, sha256Sum(signtest.Time+"."), match.Digest(h, nil))

	h = http.Header{}
	signtest.Sign(t, signtest.HeadScheme(), "body", h, nil)
	_, err = v.Verify(signtest.DefaultRing(t), h, nil)
	requireRefused(t, err, signature.Missing, signtest.HeaderTime)
}

// For the race detector: the verifier stores the last form while other goroutines verify.
func TestVerify_HandlesSeveralLayoutsConcurrently(t *testing.T) {
	v, ring := signtest.NewVerifier(t, signtest.HeadScheme()), signtest.DefaultRing(t)
	var wg sync.WaitGroup
	for _, form := range signtest.HeadScheme().Forms {
		h := signtest.FullHeader()
		signtest.Sign(t, signtest.HeadScheme(), form.Name, h, nil)
		for range 2 {
			wg.Go(func() {
				for range 500 {
					if match, err := v.Verify(ring, h, nil); err != nil || match.Form() != form.Name {
						t.Errorf("%v %v", match, err)
					}
				}
			})
		}
	}
	wg.Wait()
}

func TestVerify_AllocatesNothingOnSuccess(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	body := []byte(`{"a":"` + strings.Repeat("x", 4096) + `"}`)
	longest := http.Header{signtest.HeaderTime: {"1795283259000"}, signtest.HeaderDelivery: {strings.Repeat("d", 128)}}
	for _, c := range []struct {
		scheme signature.Scheme
		form   string
		header http.Header
	}{
		{signtest.BodyScheme(), "body", http.Header{}}, {signtest.HeadScheme(), "timestamp", signtest.FullHeader()}, {signtest.HeadScheme(), "delivery", signtest.FullHeader()},
		{signtest.HeadScheme(), "delivery", longest}, {signtest.HeadScheme(), "body", signtest.FullHeader()},
	} {
		v, ring := signtest.NewVerifier(t, c.scheme), signtest.NewRing(t, append(manyKeys(2), signature.NewKey("default", signtest.Secret))...)
		signtest.Sign(t, c.scheme, c.form, c.header, body)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			if _, err := v.Verify(ring, c.header, body); err != nil {
				t.Error(err)
			}
		}), c.form)
	}
}

// No vendor documents a list, so a list is refused whatever its order: its first signature alone is never compared.
func TestVerify_RefusesSignatureListInAnyOrder(t *testing.T) {
	good, bad := signtest.Hex(signtest.Secret, "body"), strings.Repeat("0", 64)
	for _, separator := range []string{",", ", ", " ", ";"} {
		for _, list := range [][]string{{good, bad}, {bad, good}, {good, good}, {"v1=" + good, "v1=" + bad}} {
			h := signtest.FullHeader()
			h.Set(signtest.HeaderSignature, strings.Join(list, separator))
			_, err := signtest.NewVerifier(t, signtest.BodyScheme()).Verify(signtest.DefaultRing(t), h, []byte("body"))
			requireRefused(t, err, signature.Malformed, signtest.HeaderSignature)
		}
	}
}
