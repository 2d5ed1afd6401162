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

	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
)

// An Answer is what came of one sending.
type Answer struct {
	Status     int // 0 if there was no answer
	Header     http.Header
	Body       []byte
	RetryAfter time.Duration // 0 if the answer has none in seconds

	// Err says why there was no answer.
	Err error

	// Took is how long it took, from the first byte sent to the last one received.
	Took time.Duration

	t       testing.TB
	about   string
	handler http.Handler
	request *http.Request
	body    []byte // of the request
	sentAt  time.Time
}

// WantOK fails the test unless the answer is 200.
func (a Answer) WantOK() {
	a.t.Helper()
	a.Want(http.StatusOK)
}

// Want fails the test unless the answer has one of the statuses. The sentence says what came instead, and where the
// sender is one to a handler that can explain it, why.
func (a Answer) Want(statuses ...int) {
	a.t.Helper()
	if slices.Contains(statuses, a.Status) {
		return
	}
	a.t.Errorf("%s was to be answered %s, but %s%s", a.about, oneOf(statuses), a.came(), a.explained())
}

// WantNone fails the test if there was an answer.
func (a Answer) WantNone() {
	a.t.Helper()
	if a.Err == nil {
		a.t.Errorf("%s was to have no answer, but %s%s", a.about, a.came(), a.explained())
	}
}

func oneOf(statuses []int) string {
	texts := make([]string, len(statuses))
	for i, status := range statuses {
		texts[i] = strconv.Itoa(status)
	}
	return strings.Join(texts, " or ")
}

func (a Answer) came() string {
	if a.Err != nil {
		return fmt.Sprintf("had no answer after %v: %v", a.Took, a.Err)
	}
	return fmt.Sprintf("was answered %d after %v: %s", a.Status, a.Took, bytes.TrimSpace(a.Body))
}

// explained returns the handler's own explanation of what it made of the request, if it has one.
func (a Answer) explained() string {
	if a.handler == nil || a.request == nil {
		return ""
	}
	explainer, ok := a.handler.(interface {
		Explain(r webhook.Request, now time.Time) diagnose.Explanation
	})
	if !ok {
		return ""
	}
	r := a.request
	request := webhook.Request{Method: r.Method, URL: r.URL, Header: r.Header, Body: bytes.NewReader(a.body), ContentLength: r.ContentLength}
	return fmt.Sprintf("\n%v", explainer.Explain(request, a.sentAt))
}

// Answers are what came of several sendings.
type Answers []Answer

// WantOK fails the test unless all answers are 200.
func (as Answers) WantOK() {
	for _, a := range as {
		a.t.Helper()
		a.WantOK()
	}
}

// Want fails the test unless these are the statuses of the answers, in their order.
func (as Answers) Want(statuses ...int) {
	t := as[0].t // there is always one
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
	t.Errorf("%s was to be answered %v, and was %v; number %d %s%s", a.about, statuses, got, i+1, a.came(), a.explained())
}

// Statuses returns the statuses, 0 where there was no answer.
func (as Answers) Statuses() []int {
	statuses := make([]int, len(as))
	for i, a := range as {
		statuses[i] = a.Status
	}
	return statuses
}
