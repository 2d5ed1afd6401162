package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
)

// The secret is random in each run, so every accepted delivery is a fault.
func FuzzVerify(f *testing.F) {
	secret := rand.Text()
	ring := signtest.NewRing(f, append(manyKeys(3), signature.NewKey("default", secret))...)
	wide, narrow := signtest.NewVerifier(f, signtest.HeadScheme()), signtest.NewVerifier(f, signtest.BodyScheme())

	f.Add(strings.Repeat("0", 64), "", uint8(1), signtest.Time, "dlv_1", []byte(`{"type":"a"}`))
	f.Add("sha256="+signtest.Hex("guess", "body"), "a", uint8(2), signtest.Time+"000", "", []byte("body"))
	f.Add("", "", uint8(0), "+1795283259", "dlv.1", []byte(nil))
	f.Add(strings.Repeat("F", 64), ",", uint8(1), "1e9", strings.Repeat("d", 129), []byte("1795283259.{}"))
	f.Add("sha256=", "\x00", uint8(1), "\xff", "é", []byte{0, 0xff})
	for _, file := range vectorFiles(f) {
		for i := range file.Vectors {
			if i%20 == 0 {
				v := &file.Vectors[i]
				h := v.Header()
				f.Add(h.Get(file.Scheme.Header), "", uint8(1), h.Get("X-Greenflash-Timestamp"), h.Get("X-Greenflash-Delivery"), v.Piece)
			}
		}
	}

	f.Fuzz(func(t *testing.T, first, second string, signatures uint8, stamp, delivery string, body []byte) {
		h := http.Header{signtest.HeaderSignature: []string{first, second}[:signatures%3], signtest.HeaderTime: {stamp}, signtest.HeaderDelivery: {delivery}}
		if delivery == "" {
			delete(h, signtest.HeaderDelivery)
		}
		before := slices.Clone(body)
		for _, v := range []*signature.Verifier{wide, narrow} {
			match, err := v.Verify(ring, h, body)
			var refusal *signature.Error
			require.ErrorAs(t, err, &refusal)
			require.Zero(t, match)
			requireHidden(t, err.Error(), secret)
		}
		require.Equal(t, before, body)
	})
}

var (
	opaque       = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,128}\z`)
	unixTime     = regexp.MustCompile(`\A([0-9]{9,10}|[0-9]{12,13})\z`)
	hexMAC       = regexp.MustCompile(`\A(sha256=)?([0-9a-fA-F]{64})\z`)
	looksCovered = regexp.MustCompile(`\A[A-Za-z0-9_-]{1,128}\.`)
)

// reference verifies by headScheme in the simplest way, without optimization.
func reference(secret string, h http.Header, body []byte) (form string, err error) {
	switch sig := h[signtest.HeaderSignature]; {
	case len(sig) == 0 || len(sig) == 1 && sig[0] == "":
		return "", signature.Missing
	case len(sig) > 1:
		return "", signature.Repeated
	case !hexMAC.MatchString(sig[0]):
		return "", signature.Malformed
	}
	switch stamp := h[signtest.HeaderTime]; {
	case len(stamp) == 0 || len(stamp) == 1 && stamp[0] == "":
		return "", signature.Missing
	case len(stamp) > 1:
		return "", signature.Repeated
	case !unixTime.MatchString(stamp[0]):
		return "", signature.Malformed
	}
	delivery := h[signtest.HeaderDelivery]
	switch {
	case len(delivery) == 0:
	case len(delivery) == 1 && delivery[0] == "":
		return "", signature.Missing
	case len(delivery) > 1:
		return "", signature.Repeated
	case !opaque.MatchString(delivery[0]):
		return "", signature.Malformed
	}
	if looksCovered.Match(body) {
		return "", signature.Mismatch
	}
	claimed, _ := hex.DecodeString(hexMAC.FindStringSubmatch(h[signtest.HeaderSignature][0])[2])
	forms := map[string]string{"timestamp": h[signtest.HeaderTime][0] + ".", "body": ""}
	if len(delivery) == 1 {
		forms["delivery"] = delivery[0] + "." + h[signtest.HeaderTime][0] + "."
	}
	for form, prefix := range forms {
		if hmac.Equal(signtest.MAC(secret, append([]byte(prefix), body...)), claimed) {
			return form, nil
		}
	}
	return "", signature.Mismatch
}

// The verifiers are kept from input to input, so that every form is verified after every other form.
func FuzzVerifyAgreesWithReference(f *testing.F) {
	v := signtest.NewVerifier(f, signtest.HeadScheme())
	for form := range uint8(4) {
		for damage := range uint8(18) {
			f.Add("secret", form, damage, uint16(7*damage), signtest.Time, "dlv_1", []byte(`{"a":1}`))
		}
	}
	f.Add("\x00", uint8(0), uint8(0), uint16(0), signtest.Time+"123", "-", []byte{})
	f.Add(strings.Repeat("k", 65), uint8(1), uint8(0), uint16(0), "0000000000", strings.Repeat("d", 128), []byte("\xff\x00"))
	f.Add("secret", uint8(2), uint8(0), uint16(0), signtest.Time, "", []byte("a."))
	f.Add("secret", uint8(1), uint8(0), uint16(0), signtest.Time, "a.b", []byte(""))
	f.Add("secret", uint8(0), uint8(0), uint16(0), "1", "", []byte("{"))

	f.Fuzz(func(t *testing.T, secret string, form, damage uint8, at uint16, stamp, delivery string, body []byte) {
		ring, err := signature.NewKeyring(signtest.BodyScheme(), signature.NewKey("k", secret))
		if err != nil {
			require.True(t, secret == "[redacted]" || strings.TrimFunc(secret, isWhitespace) == "", "%q", secret)
			return
		}
		prefix := []string{stamp + ".", delivery + "." + stamp + ".", "", "other."}[form%4]
		mac := hex.EncodeToString(signtest.MAC(secret, append([]byte(prefix), body...)))
		h := http.Header{signtest.HeaderSignature: {mac}, signtest.HeaderTime: {stamp}, signtest.HeaderDelivery: {delivery}}
		body = spoil(h, bytes.Clone(body), damage, int(at))

		wantForm, wantErr := reference(secret, h, body)
		match, err := v.Verify(ring, h, body)
		if wantErr == nil {
			require.NoError(t, err)
			require.Equal(t, wantForm, match.Form())
			require.Equal(t, "k", match.Key)
			return
		}
		require.ErrorIs(t, err, wantErr)
		require.Zero(t, match)
		require.NotErrorIs(t, err, signature.Stale)
	})
}

func isWhitespace(r rune) bool {
	return strings.ContainsRune("\x00\ufeff\t\n\v\f\r \u0085\u00a0\u1680\u2028\u2029\u202f\u205f\u3000", r) || r >= 0x2000 && r <= 0x200a
}

// spoil damages a signed delivery in one of many ways, or not at all.
func spoil(h http.Header, body []byte, damage uint8, at int) []byte {
	sig := h[signtest.HeaderSignature][0]
	at %= len(sig)
	switch damage % 18 {
	case 1:
		h[signtest.HeaderSignature] = []string{strings.ToUpper(sig)}
	case 2:
		h[signtest.HeaderSignature] = []string{"sha256=" + sig}
	case 3:
		h[signtest.HeaderSignature] = []string{sig, sig}
	case 4:
		delete(h, signtest.HeaderSignature)
	case 5:
		h[signtest.HeaderSignature] = []string{sig[:at]}
	case 6:
		h[signtest.HeaderSignature] = []string{sig[:at] + string(rune('0'+at%80)) + sig[at+1:]}
	case 7:
		h[signtest.HeaderSignature] = []string{sig[:at] + strings.ToUpper(sig[at:])}
	case 8:
		h[signtest.HeaderSignature] = []string{sig + sig[:at]}
	case 9:
		delete(h, signtest.HeaderTime)
	case 10:
		h[signtest.HeaderTime] = append(h[signtest.HeaderTime], h[signtest.HeaderTime][0])
	case 11:
		delete(h, signtest.HeaderDelivery)
	case 12:
		h[signtest.HeaderDelivery] = []string{h[signtest.HeaderDelivery][0] + "x"}
	case 13:
		h[signtest.HeaderDelivery] = append(h[signtest.HeaderDelivery], "x")
	case 14:
		return append(body, '\n')
	case 15:
		if len(body) > 0 {
			body[at%len(body)] ^= 1 << (at % 8)
		}
	case 16:
		return append([]byte(h[signtest.HeaderTime][0]+"."), body...) // the same bytes, split at another place
	case 17:
		h[signtest.HeaderDelivery], h[signtest.HeaderTime] = h[signtest.HeaderTime], h[signtest.HeaderDelivery]
	}
	return body
}
