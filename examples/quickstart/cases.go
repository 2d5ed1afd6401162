package main

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/allvendors"
)

// A testCase is a situation that every receiver of webhooks must handle.
type testCase struct {
	name      string
	want      string // the status of each response
	callbacks int    // how often the callback is called

	body      []byte // defaults to the vendor's first sample
	copies    int    // how often it is sent; defaults to once
	atOnce    bool   // the copies are sent at once
	failFirst bool   // the first callback fails
	dated     time.Duration
	tamper    func(*http.Request) // changes the request after it was signed
}

// casesOf returns the samples of a vendor, and then everything that can go wrong with the first of them.
func casesOf(v *allvendors.Vendor) (cases []testCase) {
	for _, sample := range v.Samples {
		source := "sample, our guess"
		if sample.Documented {
			source = "sample, from the vendor's page"
		}
		cases = append(cases, testCase{name: source, want: "200", callbacks: 1, body: sample.Body})
	}
	first := v.Samples[0]
	unknown := bytes.Replace(first.Body, []byte(`"`+first.Type+`"`), []byte(`"teapot.short_and_stout"`), 1)
	wrong := []testCase{
		{name: "a duplicate", want: "200 200", callbacks: 1, copies: 2},
		{name: "two copies at once", want: "200 200", callbacks: 1, copies: 2, atOnce: true},
		{name: "a callback that fails, then the redelivery", want: "500 200", callbacks: 2, copies: 2, failFirst: true},
		{name: "a wrong signature or token", want: "401", tamper: forge},
		{name: "stale", want: "401", dated: -v.Profile.Window - time.Minute},
		{name: "dated in the future", want: "503", dated: 10 * time.Minute},
		{name: "too large", want: "413", tamper: inflate},
		{name: "an unknown type", want: "200", body: unknown},
	}
	for _, c := range wrong {
		if c.dated != 0 && v.Profile.Window == 0 {
			continue // the vendor signs no time
		}
		if c.body == nil {
			c.body = first.Body
		}
		cases = append(cases, c)
	}
	return cases
}

// forge changes the last digit of the signature, or the token.
func forge(r *http.Request) {
	for name, values := range r.Header {
		if strings.HasSuffix(name, "-Signature") {
			digits, last := values[0][:len(values[0])-1], "0"
			if strings.HasSuffix(values[0], last) {
				last = "1"
			}
			r.Header.Set(name, digits+last)
			return
		}
	}
	r.URL.Path = strings.TrimSuffix(r.URL.Path, secret) + "guessed"
}

func inflate(r *http.Request) {
	body := bytes.Repeat([]byte(" "), maxBody+1)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
}
