package command

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/signature"
)

// statusFixes say what to do about a status that neither accepts a delivery nor refuses its signature.
var statusFixes = map[int]string{
	http.StatusBadRequest:                  "An event of an unknown type must get 200: look at the service's log, and at what responds at this path.",
	http.StatusForbidden:                   "Allow POST requests from the internet to this path in the firewall, the proxy and the service.",
	http.StatusNotFound:                    "Compare the path with the one at which the service mounts the handler.",
	http.StatusMethodNotAllowed:            "Mount the handler for POST at this path, and check that the URL is not that of a web page.",
	http.StatusLengthRequired:              "Let the proxy accept bodies without a Content-Length.",
	http.StatusRequestEntityTooLarge:       "Raise the limit for bodies of the proxy, such as client_max_body_size of nginx, or Options.MaxBody.",
	http.StatusRequestURITooLong:           "Raise the limit for URLs of the proxy, such as large_client_header_buffers of nginx.",
	http.StatusUnsupportedMediaType:        "Configure the proxy not to compress requests, and to accept application/json.",
	http.StatusTooManyRequests:             "Raise the rate limit of the proxy or the service for this path.",
	http.StatusRequestHeaderFieldsTooLarge: "Raise the limit for headers of the proxy or the server, such as http.Server.MaxHeaderBytes.",
	http.StatusInternalServerError:         "Look at the service's log.",
	http.StatusBadGateway:                  "The proxy does not reach the service: check that it runs, and the address to which the proxy forwards.",
	http.StatusServiceUnavailable:          "Look at the service's log: the store or the inbox may be down or full, or the service shuts down. A proxy also responds 503 without a service.",
	http.StatusGatewayTimeout:              "The service does not respond to the proxy in time: look at its log.",
}

// statusFix says what to do about the response to a delivery that should have been accepted.
func statusFix(t *roundTrip) string {
	switch {
	case t.err != nil:
		return "Check that the service runs and that the URL is right, and look at its log."
	case t.status >= 300 && t.status <= 399:
		return "Vendors follow no redirects: set the final URL at the vendor."
	}
	return cmp.Or(statusFixes[t.status], "Look at the service's log, and at the proxy.")
}

// checkEndpoint sends the test event. The response must be one of a handler: accepted, or unauthenticated.
func checkEndpoint(ctx context.Context, d *doctor) finding {
	event := d.testEvent()
	d.test = d.send(ctx, &event)
	switch t := &d.test; {
	case t.began.IsZero():
		return problem(fmt.Sprintf("The test event cannot be sent: %v.", t.err), "Correct the secret or the URL.")
	case t.accepted() || t.status == http.StatusUnauthorized:
		return fine("The endpoint " + t.responds() + ".")
	case t.status >= 300 && t.status <= 399 && t.header.Get("Location") != "":
		return problem(fmt.Sprintf("The endpoint %s and redirects to %s.", t.responds(), t.header.Get("Location")), statusFix(t))
	default:
		return problem("The endpoint "+t.responds()+".", statusFix(t))
	}
}

// checkTestEvent looks at the response to the test event. If it is 401, an empty object shows whether the secret is right,
// because no JSON library writes an empty object in another way.
func checkTestEvent(ctx context.Context, d *doctor) finding {
	switch {
	case d.test.accepted() && d.vendor.Signs():
		return fine("The endpoint accepts an event that is signed with this secret.")
	case d.test.accepted():
		return fine("The endpoint accepts an event with this token.")
	case d.test.header.Get("WWW-Authenticate") != "":
		return problem("The endpoint responds 401 and asks for a login.", "Let the vendor reach this path without a login in the proxy: the handler verifies its deliveries.")
	case !d.vendor.Signs():
		return problem("The endpoint responds 401 to an event with this token.",
			"Compare the token with the service's. If it is the same, check whether a proxy rewrites the path: the token must be its last segment.")
	}
	if empty := d.send(ctx, &probe{body: []byte("{}"), age: doctorAge}); empty.accepted() {
		return problem("The secret is right, because the endpoint accepts an empty object that is signed with it. It responds 401 to an event, so something rewrites bodies.", passBody)
	}
	clock := ""
	if d.options.fresh {
		clock = ", and the service's clock"
	}
	return problem("The endpoint responds 401 to an event that is signed with this secret.",
		fmt.Sprintf("Compare the secret with the service's. If it is the same, check whether a proxy drops %s or compresses bodies%s. The service's log has the cause.", d.signedHeaders(), clock))
}

const passBody = "Make proxies and middleware pass the body on byte for byte."

func checkResponseTime(_ context.Context, d *doctor) finding {
	return judgeResponseTime(d.test.took, d.vendor.Profile.RespondWithin, d.waits())
}

// judgeResponseTime compares a response time with the vendor's deadline. A handler responds at nine tenths of it at the latest.
func judgeResponseTime(taken, deadline time.Duration, waits string) finding {
	found := fmt.Sprintf("The response took %s, and %s.", took(taken), waits)
	switch {
	case taken >= deadline/10*9:
		return problem(found, "Look for what is slow: the proxy, the store, or the network. An inbox lets callbacks run after the response.")
	case taken >= deadline/2:
		return warning(found, "Look for what is slow: the proxy, the store, or the network.")
	default:
		return fine(found)
	}
}

// checkForgedEvent sends an event that no handler may accept.
func checkForgedEvent(ctx context.Context, d *doctor) finding {
	forged := probe{body: d.event(doctorType, doctorAge, quoted("forged by aihooks doctor")), age: doctorAge, forged: true}
	t := d.send(ctx, &forged)
	return judgeRefusal(&t, "an event with a random secret",
		problem("The endpoint accepts an event with a random secret, so it verifies nothing: anyone can send events.", "Mount the vendor's handler at this URL, with the secret."))
}

// checkFutureEvent sends an event that is dated a day ahead. A handler refuses it whatever its type, so no callback runs.
func checkFutureEvent(ctx context.Context, d *doctor) finding {
	if d.vendor.Profile.Window == 0 {
		return skipped(d.vendor.Name() + " signs no time.")
	}
	const ahead = -24 * time.Hour
	t := d.send(ctx, &probe{body: d.event(doctorType, ahead, quoted("dated a day ahead by aihooks doctor")), age: ahead})
	accepts := problem("The endpoint accepts an event that is dated a day ahead, so it does not check the time.", "Use the vendor's handler, which checks it.")
	if t.status == http.StatusServiceUnavailable { // the handler's response, so that the vendor sends the event again later
		return fine("The endpoint refuses an event that is dated a day ahead.")
	}
	return judgeRefusal(&t, "an event that is dated a day ahead", accepts)
}

// checkStaleEvent sends a stale event. It has a documented type, because a handler responds 200 to stale events of others.
func checkStaleEvent(ctx context.Context, d *doctor) finding {
	if d.vendor.Profile.Window == 0 {
		return skipped(d.vendor.Name() + " signs no time.")
	}
	stale := probe{body: d.event(d.vendor.Profile.Events[0].Name(), doctorAge, quoted("dated two years ago by aihooks doctor")), age: doctorAge}
	t := d.send(ctx, &stale)
	return judgeRefusal(&t, "an event that is two years old",
		problem("The endpoint accepts an event that is two years old, so a captured delivery can be sent again.", "Use the vendor's handler, and leave Config.Window at its default."))
}

// judgeRefusal returns accepts if an event was accepted that should have got 401.
func judgeRefusal(t *roundTrip, what string, accepts finding) finding {
	switch {
	case t.accepted():
		return accepts
	case t.status == http.StatusUnauthorized:
		return fine("The endpoint refuses " + what + ".")
	case t.err != nil:
		return problem(fmt.Sprintf("The endpoint %s, for %s.", t.responds(), what), statusFix(t))
	default:
		return warning(fmt.Sprintf("The endpoint %s to %s, instead of 401.", t.responds(), what), statusFix(t))
	}
}

// clockWarning is the difference of two clocks that a synchronized machine does not have.
const clockWarning = 5 * time.Second

// checkClock compares the Date header of the fastest response with this machine's clock.
func checkClock(_ context.Context, d *doctor) finding {
	var fastest *roundTrip
	var date time.Time
	for i := range d.trips {
		t := &d.trips[i]
		at, err := http.ParseTime(t.header.Get("Date"))
		if err == nil && (fastest == nil || t.took < fastest.took) {
			fastest, date = t, at
		}
	}
	if fastest == nil {
		return skipped("No response has a Date header.")
	}
	const half = time.Second / 2 // a Date has no fraction of a second
	ahead := date.Add(half).Sub(fastest.began.Round(0).Add(fastest.took / 2))
	return judgeClock(ahead, fastest.took/2+half, d.vendor.Profile.Window)
}

// judgeClock judges how far the endpoint's clock is ahead of this machine's. The error is at most the margin. A clock that is
// behind makes deliveries future, and one that is ahead makes them stale. No window means that the vendor signs no time.
func judgeClock(ahead, margin, window time.Duration) finding {
	limit, direction := window, "ahead of"
	if ahead < 0 {
		limit, direction = signature.DefaultSkew, "behind"
	}
	found := fmt.Sprintf("The endpoint's clock, by its Date header, is %v %s this machine's.", ahead.Abs().Round(time.Second), direction)
	const fix = "Synchronize both clocks by NTP. The header may be that of a proxy."
	switch {
	case window > 0 && ahead.Abs() >= limit/5*4:
		return problem(found, fmt.Sprintf("%s The handler refuses deliveries at a difference of %v.", fix, limit))
	case ahead.Abs()-margin > clockWarning:
		return warning(found, fix)
	default:
		return fine("The clocks of the endpoint and of this machine agree.")
	}
}
