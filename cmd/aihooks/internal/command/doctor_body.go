package command

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// bodyVariants are bodies that a proxy changes if it parses the JSON and writes it again, or converts its characters. Each
// differs in one respect from the test event, which such a proxy may not change.
var bodyVariants = []struct {
	has  string
	note string // a JSON value
	end  string // follows the body
}{
	{"spaces and line breaks between members", "{ \"a\" : 1,\r\n\t\"b\" : 2 }", ""},
	{"escapes in strings", `"\u00e9 \u003c \/"`, ""},
	{"letters that are not ASCII", `"é 漢 😀"`, ""},
	{"numbers with many digits or trailing zeros", `[1.50, 12345678901234567890, 1E2]`, ""},
	{"members that are not in alphabetical order", `{"z":1,"a":2}`, ""},
	{"a line break at the end", `"plain"`, "\n"},
}

// checkRewrittenBody sends the variants, each correctly signed. The endpoint has accepted the test event.
func checkRewrittenBody(ctx context.Context, d *doctor) finding {
	if !d.vendor.Signs() {
		return skipped(d.vendor.Name() + " signs nothing, so a rewritten body is not recognized.")
	}
	var refused []string
	for _, v := range bodyVariants {
		body := append(d.event(doctorType, doctorAge, v.note), v.end...)
		switch t := d.send(ctx, &probe{body: body, age: doctorAge}); {
		case t.status == http.StatusUnauthorized:
			refused = append(refused, v.has)
		case !t.accepted():
			return problem(fmt.Sprintf("The endpoint %s, for a body with %s.", t.responds(), v.has), statusFix(&t))
		}
	}
	if len(refused) > 0 {
		return problem(fmt.Sprintf("The endpoint accepts a plain body and responds 401 to one with %s, so something rewrites bodies.", strings.Join(refused, ", or with ")), passBody)
	}
	return fine(fmt.Sprintf("%d bodies that JSON libraries would change arrive unchanged.", len(bodyVariants)))
}

// largeBody is a size in bytes that a vendor may send, and that some proxies do not pass on.
const largeBody = 100 << 10

func checkLargeBody(ctx context.Context, d *doctor) finding {
	large := d.event(doctorType, doctorAge, quoted(strings.Repeat("aihooks ", largeBody/8)))
	return d.checkPassage(ctx, &probe{body: large}, "a body of 100 KiB")
}

func checkChunkedBody(ctx context.Context, d *doctor) finding {
	body := d.event(doctorType, doctorAge, quoted("sent in chunks by aihooks doctor"))
	return d.checkPassage(ctx, &probe{body: body, chunked: true}, "a chunked body")
}

// checkPassage sends an event that the service must get unchanged. A vendor that does not sign has a forged one, which must
// get 401, because the service would store a true one.
func (d *doctor) checkPassage(ctx context.Context, p *probe, what string) finding {
	p.age, p.forged = doctorAge, !d.vendor.Signs()
	switch t := d.send(ctx, p); {
	case p.forged && t.status == http.StatusUnauthorized, !p.forged && t.accepted():
		return fine("The endpoint takes " + what + ".")
	case p.forged && t.accepted():
		return skipped("The endpoint verifies nothing.")
	case t.status == http.StatusUnauthorized:
		return problem("The endpoint accepts a plain body and responds 401 to "+what+", so something changes it.", passBody)
	default:
		return problem(fmt.Sprintf("The endpoint %s, for %s.", t.responds(), what), statusFix(&t))
	}
}

// checkCompression looks at all responses. No request has asked for a compressed one.
func checkCompression(_ context.Context, d *doctor) finding {
	if len(d.trips) == 0 {
		return skipped("There was no response.")
	}
	for i := range d.trips {
		if coding := d.trips[i].header.Get("Content-Encoding"); coding != "" && !strings.EqualFold(coding, "identity") {
			return warning(fmt.Sprintf("A response has the Content-Encoding %s, although the request does not accept any.", coding),
				"Turn off compression in the proxy for this path: a vendor may not be able to read the response.")
		}
	}
	return fine("Responses are not compressed.")
}
