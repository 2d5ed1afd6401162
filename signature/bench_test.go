package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// A contest is one way to sign a delivery, verified by the package and by the floor.
type contest struct {
	name     string
	verifier *signature.Verifier
	keys     *signature.Keyring
	header   http.Header
	body     []byte
	floor    *floor
}

// The floor is what no verification goes below: an HMAC that is keyed once and used again, over the signed bytes in one
// piece, and one comparison in constant time. No hex, no header, no pool, no second form.
type floor struct {
	hash   hash.Hash
	signed []byte
	want   []byte
	sum    [sha256.Size]byte
}

func newFloor(signed []byte) *floor {
	f := &floor{hash: hmac.New(sha256.New, []byte(testSecret)), signed: signed}
	f.want = referenceMAC(testSecret, signed)
	return f
}

func (f *floor) verify() bool {
	f.hash.Reset()
	f.hash.Write(f.signed)
	return hmac.Equal(f.hash.Sum(f.sum[:0]), f.want)
}

func contests(b *testing.B) []contest {
	b.Helper()
	var all []contest
	for _, size := range []int{1 << 10, 64 << 10} {
		body := append([]byte(`{"a":"`), bytes.Repeat([]byte{'x'}, size-8)...)
		body = append(body, `"}`...)
		for _, c := range []struct {
			name, form string
			scheme     signature.Scheme
		}{
			{"body", "body", bodyScheme()},           // as Convosphere and WorkFlux sign
			{"timestamp", "timestamp", headScheme()}, // as Greenflash may
			{"any-body", "body", headScheme()},       // the last of three forms, once the verifier has learned it
		} {
			h := fullHeader()
			sign(b, c.scheme, c.form, h, body)
			signed := body
			if c.form == "timestamp" {
				signed = append([]byte(h.Get(headerTime)+"."), body...)
			}
			all = append(all, contest{
				name:     fmt.Sprintf("%s/%dKiB", c.name, size>>10),
				verifier: newVerifier(b, c.scheme),
				keys:     newRing(b, signature.NewKey("default", testSecret)),
				header:   h,
				body:     body,
				floor:    newFloor(signed),
			})
		}
	}
	return all
}

func (c *contest) verify(b *testing.B) {
	if _, err := c.verifier.Verify(c.keys, c.header, c.body); err != nil {
		b.Fatal(err)
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, c := range contests(b) {
		b.Run(c.name, func(b *testing.B) {
			c.verify(b)
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				c.verify(b)
			}
		})
	}
}

func BenchmarkFloor(b *testing.B) {
	for _, c := range contests(b) {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(c.body)))
			b.ReportAllocs()
			for b.Loop() {
				c.floor.verify()
			}
		})
	}
}

// BenchmarkVerifyAgainstFloor runs both by turns and reports the median of their ratios as "x-floor", so that what else
// the machine does falls on both alike.
func BenchmarkVerifyAgainstFloor(b *testing.B) {
	for _, c := range contests(b) {
		b.Run(c.name, func(b *testing.B) {
			turn := max(1, (128<<10)/len(c.body)) // about 80 us of each
			var ratios []float64
			for b.Loop() {
				start := time.Now()
				for range turn {
					c.verify(b)
				}
				middle := time.Now()
				for range turn {
					c.floor.verify()
				}
				ratios = append(ratios, float64(middle.Sub(start))/float64(time.Since(middle)))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "x-floor")
			b.ReportMetric(0, "ns/op")
		})
	}
}
