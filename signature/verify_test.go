package signature_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

func TestEveryHexDigitIsReadInEitherCaseAndNothingElse(t *testing.T) {
	v, ring, good := newVerifier(t, bodyScheme()), defaultRing(t), referenceHex(testSecret, "body")
	for at := range len(good) {
		for c := range 256 {
			text := []byte(good)
			text[at] = byte(c)
			_, err := v.Verify(ring, http.Header{headerSignature: {string(text)}}, []byte("body"))
			switch {
			case strings.EqualFold(string(text), good):
				require.NoError(t, err, string(text))
			case strings.IndexByte("0123456789abcdefABCDEF", byte(c)) >= 0:
				requireRefused(t, err, signature.Mismatch, headerSignature)
			default:
				requireRefused(t, err, signature.Malformed, headerSignature)
			}
		}
	}
}

func TestAnOpaqueHeaderHasLettersDigitsUnderscoreAndHyphenAlone(t *testing.T) {
	const allowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	v, ring := newVerifier(t, headScheme()), defaultRing(t)
	for c := range 256 {
		for _, id := range []string{string([]byte{byte(c)}), "d" + string([]byte{byte(c)}), string([]byte{byte(c), 'd'})} {
			h := http.Header{headerTime: {testTime}, headerDelivery: {id}}
			sign(t, headScheme(), "delivery", h, []byte("{}"))
			_, err := v.Verify(ring, h, []byte("{}"))
			if strings.IndexByte(allowed, byte(c)) >= 0 {
				require.NoError(t, err, "%q", id)
			} else {
				requireRefused(t, err, signature.Malformed, headerDelivery)
			}
		}
	}
}

func TestOneByteOfTheBodyIsEnoughToRefuseIt(t *testing.T) {
	v, ring, body := newVerifier(t, headScheme()), defaultRing(t), []byte(`{"a":"some text that is longer than a block of SHA-256, so that there are two"}`)
	for _, form := range headScheme().Forms {
		h := fullHeader()
		sign(t, headScheme(), form.Name, h, body)
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
func TestAHundredThousandSignaturesInOneHeaderAreNotCompared(t *testing.T) {
	good := referenceHex(testSecret, "body")
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
		ring := newRing(t, append(manyKeys(3), signature.NewKey("default", testSecret))...)
		macs := signature.CountMACs(ring)
		h := fullHeader()
		h[headerSignature] = c.values
		_, err := newVerifier(t, headScheme()).Verify(ring, h, []byte("body"))
		requireRefused(t, err, c.want, headerSignature)
		require.Zero(t, macs.Load(), name)
	}
}

func TestABadHeaderIsRefusedBeforeAnyMACIsMade(t *testing.T) {
	for name, spoil := range map[string]func(http.Header){
		"no timestamp":        func(h http.Header) { h.Del(headerTime) },
		"timestamp of 1 MB":   func(h http.Header) { h.Set(headerTime, strings.Repeat("1", 1<<20)) },
		"timestamp twice":     func(h http.Header) { h.Add(headerTime, testTime) },
		"delivery id of 1 MB": func(h http.Header) { h.Set(headerDelivery, strings.Repeat("d", 1<<20)) },
		"delivery id twice":   func(h http.Header) { h.Add(headerDelivery, "d") },
		"delivery id empty":   func(h http.Header) { h.Set(headerDelivery, "") },
	} {
		ring, h := defaultRing(t), fullHeader()
		sign(t, headScheme(), "timestamp", h, nil)
		spoil(h)
		macs := signature.CountMACs(ring)
		_, err := newVerifier(t, headScheme()).Verify(ring, h, nil)
		require.Error(t, err, name)
		require.Zero(t, macs.Load(), name)
	}
}

func TestAForgedDeliveryCostsOneMACForEachKeyAndForm(t *testing.T) {
	ring, h := newRing(t, manyKeys(5)...), fullHeader()
	sign(t, headScheme(), "timestamp", h, nil)
	macs := signature.CountMACs(ring)
	_, err := newVerifier(t, headScheme()).Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, headerSignature)
	require.Equal(t, int64(5*3), macs.Load())

	h.Del(headerDelivery) // a form with a missing header is not tried
	macs.Store(0)
	_, err = newVerifier(t, headScheme()).Verify(ring, h, nil)
	requireRefused(t, err, signature.Mismatch, headerSignature)
	require.Equal(t, int64(5*2), macs.Load())
}

func TestTheFormThatMatchedLastIsTriedFirst(t *testing.T) {
	ring, v := defaultRing(t), newVerifier(t, headScheme())
	macs := signature.CountMACs(ring)
	cost := func(form string) int64 {
		h := fullHeader()
		sign(t, headScheme(), form, h, nil)
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

func TestAForgeryDoesNotChangeWhichFormIsTriedFirst(t *testing.T) {
	ring, v := defaultRing(t), newVerifier(t, headScheme())
	warm(t, v, headScheme(), "body")
	forged := fullHeader()
	require.NoError(t, headScheme().Sign(signature.NewKey("x", "another"), "delivery", forged, nil))
	_, err := v.Verify(ring, forged, nil)
	require.Error(t, err)

	h := fullHeader()
	sign(t, headScheme(), "body", h, nil)
	macs := signature.CountMACs(ring)
	_, err = v.Verify(ring, h, nil)
	require.NoError(t, err)
	require.Equal(t, int64(1), macs.Load())
}

// Fault 7 of the peers. Nothing here may panic.
func TestNoHeaderPanics(t *testing.T) {
	odd := []string{"", "a", "=", "sha256=", "sha256", "\x00", "\xff\xfe", "é", ",", ".", strings.Repeat("\xff", 64), strings.Repeat("0", 64), strings.Repeat("é", 32), "sha256=" + strings.Repeat("g", 64)}
	ring := defaultRing(t)
	for _, scheme := range []signature.Scheme{bodyScheme(), headScheme()} {
		v := newVerifier(t, scheme)
		for _, mac := range odd {
			for _, other := range odd {
				for _, h := range []http.Header{nil, {}, {headerSignature: nil}, {headerSignature: {mac}}, {headerSignature: {mac}, headerTime: {other}, headerDelivery: {other}}, {headerSignature: {mac}, headerTime: {testTime}, headerDelivery: nil}, {headerSignature: {mac, other}, headerTime: {}}} {
					_, err := v.Verify(ring, h, []byte(other))
					require.Error(t, err)
				}
			}
		}
	}
}

func TestTheZeroVerifierLetsNothingThrough(t *testing.T) {
	var v signature.Verifier
	for _, h := range []http.Header{nil, fullHeader(), {"": {referenceHex(testSecret, "")}}} {
		_, err := v.Verify(defaultRing(t), h, nil)
		require.ErrorIs(t, err, signature.Missing)
	}
}

func TestOnlyCanonicalNamesAreSeen(t *testing.T) {
	h := http.Header{strings.ToLower(headerSignature): {referenceHex(testSecret, "body")}}
	_, err := newVerifier(t, bodyScheme()).Verify(defaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Missing, headerSignature)

	h[headerSignature] = []string{strings.Repeat("0", 64)} // the second value must not verify
	_, err = newVerifier(t, bodyScheme()).Verify(defaultRing(t), h, []byte("body"))
	requireRefused(t, err, signature.Mismatch, headerSignature)
}

func TestARefusalSaysWhichHeaderItIsAbout(t *testing.T) {
	pinned, err := headScheme().Pin("delivery")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		scheme signature.Scheme
		spoil  func(http.Header)
		reason signature.Reason
		header string
		text   string
	}{
		"no signature":       {headScheme(), func(h http.Header) { h.Del(headerSignature) }, signature.Missing, headerSignature, "signature: the header X-Acme-Signature is missing or empty"},
		"signature twice":    {headScheme(), func(h http.Header) { h.Add(headerSignature, "a") }, signature.Repeated, headerSignature, "signature: the header X-Acme-Signature appears more than once"},
		"signature not hex":  {headScheme(), func(h http.Header) { h.Set(headerSignature, "a") }, signature.Malformed, headerSignature, "signature: the header X-Acme-Signature is not one HMAC-SHA256 in hex"},
		"wrong signature":    {headScheme(), func(h http.Header) { h.Set(headerSignature, strings.Repeat("0", 64)) }, signature.Mismatch, headerSignature, "signature: the header X-Acme-Signature does not match: no live key makes it over the received bytes"},
		"no timestamp":       {headScheme(), func(h http.Header) { h.Del(headerTime) }, signature.Missing, headerTime, "signature: the header X-Acme-Time is missing or empty"},
		"bad timestamp":      {headScheme(), func(h http.Header) { h.Set(headerTime, "now") }, signature.Malformed, headerTime, "signature: the header X-Acme-Time does not have its documented format"},
		"covered by the pin": {pinned, func(h http.Header) { h.Del(headerDelivery) }, signature.Missing, headerDelivery, "signature: the header X-Acme-Delivery is missing, and every accepted form covers it"},
	} {
		t.Run(name, func(t *testing.T) {
			h := fullHeader()
			sign(t, headScheme(), "delivery", h, nil)
			c.spoil(h)
			_, err := newVerifier(t, c.scheme).Verify(defaultRing(t), h, nil)
			requireRefused(t, err, c.reason, c.header)
			require.EqualError(t, err, c.text)
			require.EqualError(t, c.reason, string(c.reason))
		})
	}
}

// Fault 5 of the peers.
func TestNoRefusalShowsTheSecretTheExpectedMACOrWhatTheHeadersSaid(t *testing.T) {
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
					for _, name := range form.Covers {
						signed += h.Get(name) + "."
					}
					requireHidden(t, text, string(referenceMAC(k.Secret, []byte(signed+string(body)))))
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

func TestTheSameBytesHaveOneDigestHoweverTheSignatureIsWritten(t *testing.T) {
	body := []byte(`{"a":1}`)
	for _, form := range headScheme().Forms {
		h := fullHeader()
		sign(t, headScheme(), form.Name, h, body)
		mac := strings.TrimPrefix(h.Get(headerSignature), "sha256=")
		digests := make(map[[32]byte]bool)
		for _, written := range []string{mac, strings.ToUpper(mac), "sha256=" + mac} {
			h.Set(headerSignature, written)
			match, err := newVerifier(t, headScheme()).Verify(defaultRing(t), h, body)
			require.NoError(t, err)
			digests[match.Digest(h, body)] = true
		}
		require.Len(t, digests, 1)
		var signed string
		for _, name := range form.Covers {
			signed += h.Get(name) + "."
		}
		require.True(t, digests[sha256Sum(signed+string(body))])
	}
}

func TestADigestDependsOnNothingThatIsNotCovered(t *testing.T) {
	for form, wants := range map[string][2]bool{"timestamp": {true, false}, "delivery": {true, true}, "body": {false, false}} {
		h, other := fullHeader(), http.Header{headerTime: {"1795283260"}, headerDelivery: {"dlv_1"}}
		third := http.Header{headerTime: {testTime}, headerDelivery: {"dlv_2"}}
		digest := func(h http.Header) [32]byte {
			sign(t, headScheme(), form, h, nil)
			match, err := newVerifier(t, headScheme()).Verify(defaultRing(t), h, nil)
			require.NoError(t, err)
			return match.Digest(h, nil)
		}
		require.Equal(t, wants[0], digest(h) != digest(other), form)
		require.Equal(t, wants[1], digest(h) != digest(third), form)
	}
}

func TestAMatchSaysWhatIsCovered(t *testing.T) {
	h := fullHeader()
	sign(t, headScheme(), "timestamp", h, nil)
	match, err := newVerifier(t, headScheme()).Verify(defaultRing(t), h, nil)
	require.NoError(t, err)
	require.True(t, match.Covers(headerTime))
	require.True(t, match.Covers(strings.ToLower(headerTime)))
	require.False(t, match.Covers(headerDelivery))
	require.False(t, match.Covers(headerSignature))
	require.False(t, match.Covers(""))

	byCredential := signature.Match{Key: "token"}
	require.Empty(t, byCredential.Form())
	require.False(t, byCredential.Covers(headerTime))
	require.Equal(t, sha256Sum("body"), byCredential.Digest(h, []byte("body")))
}

func TestAVerifierDoesNotKeepTheCallersSlices(t *testing.T) {
	scheme := headScheme()
	v := newVerifier(t, scheme)
	scheme.Forms[0].Covers[0] = headerDelivery
	scheme.Forms[2] = signature.Form{Name: "changed"}
	scheme.Fields[0].Required = false
	for _, form := range []string{"timestamp", "delivery", "body"} {
		warm(t, v, headScheme(), form)
	}
	h := fullHeader()
	sign(t, headScheme(), "timestamp", h, nil)
	match, err := v.Verify(defaultRing(t), h, nil)
	require.NoError(t, err)
	require.True(t, match.Covers(headerTime))
	require.False(t, match.Covers(headerDelivery))
	require.Equal(t, sha256Sum(testTime+"."), match.Digest(h, nil))

	h = http.Header{}
	sign(t, headScheme(), "body", h, nil)
	_, err = v.Verify(defaultRing(t), h, nil)
	requireRefused(t, err, signature.Missing, headerTime)
}

// For the race detector: the verifier stores the last form while other goroutines verify.
func TestDeliveriesOfSeveralFormsAreVerifiedAtOnce(t *testing.T) {
	v, ring := newVerifier(t, headScheme()), defaultRing(t)
	var wg sync.WaitGroup
	for _, form := range headScheme().Forms {
		h := fullHeader()
		sign(t, headScheme(), form.Name, h, nil)
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

func TestADeliveryThatIsLetThroughAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	body := []byte(`{"a":"` + strings.Repeat("x", 4096) + `"}`)
	longest := http.Header{headerTime: {"1795283259000"}, headerDelivery: {strings.Repeat("d", 128)}}
	for _, c := range []struct {
		scheme signature.Scheme
		form   string
		header http.Header
	}{
		{bodyScheme(), "body", http.Header{}}, {headScheme(), "timestamp", fullHeader()}, {headScheme(), "delivery", fullHeader()},
		{headScheme(), "delivery", longest}, {headScheme(), "body", fullHeader()},
	} {
		v, ring := newVerifier(t, c.scheme), newRing(t, append(manyKeys(2), signature.NewKey("default", testSecret))...)
		sign(t, c.scheme, c.form, c.header, body)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			if _, err := v.Verify(ring, c.header, body); err != nil {
				t.Error(err)
			}
		}), c.form)
	}
}

// No vendor documents a list, so a list is refused whatever its order: its first signature alone is never compared.
func TestVerify_SignatureListIsRefusedInAnyOrder(t *testing.T) {
	good, bad := referenceHex(testSecret, "body"), strings.Repeat("0", 64)
	for _, separator := range []string{",", ", ", " ", ";"} {
		for _, list := range [][]string{{good, bad}, {bad, good}, {good, good}, {"v1=" + good, "v1=" + bad}} {
			h := fullHeader()
			h.Set(headerSignature, strings.Join(list, separator))
			_, err := newVerifier(t, bodyScheme()).Verify(defaultRing(t), h, []byte("body"))
			requireRefused(t, err, signature.Malformed, headerSignature)
		}
	}
}
