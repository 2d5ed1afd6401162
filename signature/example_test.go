package signature_test

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// The sender signs "<timestamp>.<body>".
var acme = signature.Scheme{
	Header:   "X-Acme-Signature",
	Versions: []signature.Version{{Prefix: "sha256="}},
	Forms:    []signature.Form{{Name: "timestamp.body", Signs: "{X-Acme-Time}.{body}"}},
	Fields:   []signature.Field{{Header: "X-Acme-Time", Grammar: signature.UnixTime, Required: true}},
}

func ExampleVerifier() {
	verifier, err := signature.NewVerifier(acme)
	if err != nil {
		panic(err)
	}
	keys, err := signature.NewKeyring(acme, signature.NewKey("default", "a-secret-that-acme-gave-us"))
	if err != nil {
		panic(err)
	}

	header := http.Header{
		"X-Acme-Time":      {"1795283259"},
		"X-Acme-Signature": {"sha256=8be5d75ad46f35bb0a7b4bdb0e7a1bb3bb6a5a4ab4fd5a9d7b5f7b5c4cda5db0"},
	}
	_, err = verifier.Verify(keys, header, []byte(`{"type":"ping"}`))
	fmt.Println(err)
	fmt.Println(errors.Is(err, signature.Mismatch))

	header.Set("X-Acme-Signature", "sha256=0c88bd5cf5d5704d5e529d76346b987456cb9d608b1b6ce08d9f1c6918d98e27")
	match, err := verifier.Verify(keys, header, []byte(`{"type":"ping"}`))
	fmt.Println(match.Key, match.Form(), match.Covers("X-Acme-Time"), err)
	// Output:
	// signature: the header X-Acme-Signature does not match: no live key makes it over the received bytes
	// true
	// default timestamp.body true <nil>
}

func ExampleScheme_Sign() {
	body := []byte(`{"type":"ping"}`)
	header := http.Header{"X-Acme-Time": {"1795283259"}}
	if err := acme.Sign(signature.NewKey("default", "a-secret-that-acme-gave-us"), "", header, body); err != nil {
		panic(err)
	}
	fmt.Println(header.Get("X-Acme-Signature"))
	// Output: sha256=0c88bd5cf5d5704d5e529d76346b987456cb9d608b1b6ce08d9f1c6918d98e27
}

// A secret is rotated without a restart or a lost delivery: both keys are live until the sender uses the new one.
func ExampleKeyring_Set() {
	verifier, err := signature.NewVerifier(acme)
	if err != nil {
		panic(err)
	}
	older, newer := signature.NewKey("2025", "the-secret-of-last-year"), signature.NewKey("2026", "the-secret-of-this-year")
	keys, err := signature.NewKeyring(acme, older)
	if err != nil {
		panic(err)
	}
	receive := func(signedBy signature.Key) {
		header := http.Header{"X-Acme-Time": {"1795283259"}}
		if err := acme.Sign(signedBy, "", header, nil); err != nil {
			panic(err)
		}
		match, err := verifier.Verify(keys, header, nil)
		fmt.Printf("%q %v\n", match.Key, err == nil)
	}

	receive(older)
	if err := keys.Set(newer, older); err != nil {
		panic(err)
	}
	receive(older)
	receive(newer)
	if err := keys.Set(newer); err != nil {
		panic(err)
	}
	receive(older)
	fmt.Println(keys.Names(), newer.Secret)
	// Output:
	// "2025" true
	// "2025" true
	// "2026" true
	// "" false
	// [2026] [redacted]
}

func ExampleWindow() {
	window := signature.Window{Past: 5 * time.Minute, Future: signature.DefaultSkew}
	now := time.Unix(1795283259, 0)

	for _, header := range []string{"1795283000", "1795280000", "1795290000000", "+1795283259"} {
		sent, err := signature.ParseUnix(header)
		if err == nil {
			err = window.Check(sent, now)
		}
		fmt.Println(header, "-", err)
	}
	// Output:
	// 1795283000 - <nil>
	// 1795280000 - signature: the signed time is older than the window of 5m0s
	// 1795290000000 - signature: the signed time is further ahead than the allowed skew of 5m0s
	// +1795283259 - signature: a Unix time must be 9 or 10 decimal digits (seconds) or 12 or 13 (milliseconds)
}
