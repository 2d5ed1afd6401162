package signature_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/internal/test/signtest"
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

// A floor is the fastest possible verification: a reused HMAC over the signed bytes in one piece, and one comparison in
// constant time. It has no headers, no second form and no choice of keys.
type floor struct {
	hash   hash.Hash
	pool   sync.Pool
	signed []byte
	want   []byte
	hex    []byte
	sum    [sha256.Size]byte
}

func newFloor(signed []byte) *floor {
	f := &floor{hash: hmac.New(sha256.New, []byte(signtest.Secret)), signed: signed}
	f.pool.New = func() any { return hmac.New(sha256.New, []byte(signtest.Secret)) }
	f.want = signtest.MAC(signtest.Secret, signed)
	f.hex = hex.AppendEncode(nil, f.want)
	return f
}

// bare is for one goroutine, and gets the MAC in binary.
func (f *floor) bare() bool { return f.equal(f.hash, f.want) }

// byHand is for many goroutines, so it has a pool. It gets the MAC in hex.
func (f *floor) byHand() bool {
	var want [sha256.Size]byte
	if _, err := hex.Decode(want[:], f.hex); err != nil {
		return false
	}
	m := f.pool.Get().(hash.Hash)
	defer f.pool.Put(m)
	return f.equal(m, want[:])
}

func (f *floor) equal(m hash.Hash, want []byte) bool {
	m.Reset()
	m.Write(f.signed)
	return hmac.Equal(m.Sum(f.sum[:0]), want)
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
			{"body", "body", signtest.BodyScheme()},           // as Convosphere and WorkFlux sign
			{"timestamp", "timestamp", signtest.HeadScheme()}, // as Greenflash may
			{"any-body", "body", signtest.HeadScheme()},       // the last of three forms, once the verifier has learned it
		} {
			h := signtest.FullHeader()
			signtest.Sign(b, c.scheme, c.form, h, body)
			signed := body
			if c.form == "timestamp" {
				signed = append([]byte(h.Get(signtest.HeaderTime)+"."), body...)
			}
			all = append(all, contest{
				name:     fmt.Sprintf("%s/%dKiB", c.name, size>>10),
				verifier: signtest.NewVerifier(b, c.scheme),
				keys:     signtest.NewRing(b, signature.NewKey("default", signtest.Secret)),
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
		for name, floor := range c.floors() {
			b.Run(name+"/"+c.name, func(b *testing.B) {
				b.SetBytes(int64(len(c.body)))
				b.ReportAllocs()
				for b.Loop() {
					floor()
				}
			})
		}
	}
}

func (c *contest) floors() map[string]func() bool {
	return map[string]func() bool{"bare": c.floor.bare, "by-hand": c.floor.byHand}
}

// BenchmarkVerifyAgainstFloor alternates Verify and the floors, so that other load on the machine affects all of them.
// It reports the medians of the ratios as "x-bare" and "x-by-hand".
func BenchmarkVerifyAgainstFloor(b *testing.B) {
	for _, c := range contests(b) {
		b.Run(c.name, func(b *testing.B) {
			batch := max(1, (128<<10)/len(c.body)) // about 80 us of each
			ratios := make(map[string][]float64)
			for b.Loop() {
				for name, floor := range c.floors() {
					start := time.Now()
					for range batch {
						c.verify(b)
					}
					middle := time.Now()
					for range batch {
						floor()
					}
					ratios[name] = append(ratios[name], float64(middle.Sub(start))/float64(time.Since(middle)))
				}
			}
			for name, all := range ratios {
				slices.Sort(all)
				b.ReportMetric(all[len(all)/2], "x-"+name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
