package webhooktest

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A Response is the receiver's response to one request, or the error if no response came.
type Response struct {
	Status     int // 0 if there was no response
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration // from the Retry-After header; 0 if it has no number of seconds

	// Err is the reason why there was no response. It is nil if there was one.
	Err error

	// Took is the time from the first byte sent to the last byte received.
	Took time.Duration

	t       testing.TB
	about   string
	handler http.Handler
	request *http.Request
	body    []byte // the body of the request
	sentAt  time.Time
}

// WantOK fails the test unless the status is 200.
func (a Response) WantOK() {
	a.t.Helper()
	a.Want(http.StatusOK)
}

// Want fails the test unless the response has one of the statuses. The message has the actual response. If the receiver is a
// handler with an Explain method, the message also has its explanation.
func (a Response) Want(statuses ...int) {
	a.t.Helper()
	if slices.Contains(statuses, a.Status) {
		return
	}
	a.t.Errorf("%s must get the status %s, but got %s%s", a.about, oneOf(statuses), a.describe(), a.explained())
}

// WantNone fails the test if there was a response.
func (a Response) WantNone() {
	a.t.Helper()
	if a.Err == nil {
		a.t.Errorf("%s must get no response, but got %s%s", a.about, a.describe(), a.explained())
	}
}

func oneOf(statuses []int) string {
	texts := make([]string, len(statuses))
	for i, status := range statuses {
		texts[i] = strconv.Itoa(status)
	}
	return strings.Join(texts, " or ")
}

func (a Response) describe() string {
	if a.Err != nil {
		return fmt.Sprintf("no response after %v: %v", a.Took, a.Err)
	}
	return fmt.Sprintf("%d after %v: %s", a.Status, a.Took, bytes.TrimSpace(a.Body))
}

// explained returns the handler's explanation of the request, if it has an Explain method.
func (a Response) explained() string {
	if a.handler == nil || a.request == nil {
		return ""
	}
	h, ok := a.handler.(webhook.VendorHandler)
	if !ok {
		return ""
	}
	r := a.request
	request := webhook.Request{Method: r.Method, URL: r.URL, Header: r.Header, Body: bytes.NewReader(a.body), ContentLength: r.ContentLength}
	return fmt.Sprintf("\n%v", h.Explain(request, a.sentAt))
}

// Responses are the responses to several requests.
type Responses []Response

// WantOK fails the test unless all statuses are 200.
func (as Responses) WantOK() {
	for _, a := range as {
		a.t.Helper()
		a.WantOK()
	}
}

// Want fails the test unless the responses have these statuses, in this order.
func (as Responses) Want(statuses ...int) {
	t := as[0].t // there is always at least one
	t.Helper()
	got := as.Statuses()
	if slices.Equal(got, statuses) {
		return
	}
	i := 0 // the first that differs, or the last
	for i < len(as)-1 && i < len(statuses) && got[i] == statuses[i] {
		i++
	}
	a := as[i]
	t.Errorf("%s must get the statuses %v, but got %v; response %d was %s%s", a.about, statuses, got, i+1, a.describe(), a.explained())
}

// Statuses returns the statuses, 0 where there was no response.
func (as Responses) Statuses() []int {
	statuses := make([]int, len(as))
	for i, a := range as {
		statuses[i] = a.Status
	}
	return statuses
}
