package page

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/inbox"
)

const (
	maxItems   = 500       // in one response
	maxInList  = 300       // bytes of a text of an item
	maxText    = 16 << 10  // bytes of a text of a detail
	maxPreview = 200 << 10 // bytes of a body that the detail includes
	maxForm    = 64 << 10  // bytes of the form of an action
)

// A listView is the JSON of a list. Only the first part of a list has an overview, because that counts all items.
type listView struct {
	Overview *overviewView `json:"overview,omitempty"`
	List
}

type overviewView struct {
	Overview

	Operator *operatorView `json:"operator,omitempty"`
}

// queryOf returns the filters in the URL of a request.
func queryOf(r *http.Request) Query {
	form := r.URL.Query()
	return Query{Vendor: form.Get("vendor"), Endpoint: form.Get("endpoint"), Type: form.Get("type"), Verdict: form.Get("verdict"), Text: form.Get("text")}
}

func (s *server) list(w http.ResponseWriter, r *http.Request) {
	form := r.URL.Query()
	q := queryOf(r)
	q.Before = form.Get("before")
	q.Limit, _ = strconv.Atoi(form.Get("limit"))
	if q.Limit < 1 || q.Limit > maxItems {
		q.Limit = maxItems
	}
	var view listView
	if q.Before == "" {
		overview, err := s.overview(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		view.Overview = overview
	}
	list, err := s.source.List(r.Context(), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	list.Items = append([]Item{}, list.Items...) // copy what the source may share; an empty list is [], not null
	for i := range list.Items {
		shorten(&list.Items[i], maxInList)
		list.Items[i].Actions = s.allowed(r, list.Items[i].Actions)
	}
	view.List = list
	s.respond(w, r, view)
}

func (s *server) overview(r *http.Request) (*overviewView, error) {
	overview, err := s.source.Overview(r.Context())
	view := &overviewView{Overview: overview}
	if err == nil && s.operations != nil {
		view.Operator, err = s.operations.view(r)
	}
	return view, err
}

// A detailView is the JSON of a detail.
type detailView struct {
	Item
	Method   string          `json:"method,omitempty"`
	URL      string          `json:"url,omitempty"`
	Header   [][2]string     `json:"header"`
	Body     []byte          `json:"body"` // at most maxPreview bytes
	Size     int             `json:"size"`
	JSON     bool            `json:"json"`
	Gone     bool            `json:"gone,omitempty"`
	Attempts []inbox.Attempt `json:"attempts,omitempty"`
	Due      time.Time       `json:"due,omitzero"`
	Since    time.Time       `json:"since,omitzero"`
	Facts    []Fact          `json:"facts,omitempty"`
	Curl     bool            `json:"curl"`
}

func (s *server) detail(w http.ResponseWriter, r *http.Request) {
	d, err := s.source.Detail(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	v := detailView{
		Item: d.Item, Method: d.Method, URL: cut(d.URL, maxText), Header: [][2]string{}, Body: preview(d.Body), Size: len(d.Body),
		JSON: json.Valid(d.Body), Gone: d.Gone, Attempts: slices.Clone(d.Attempts), Due: d.Due, Since: d.Since, Curl: d.URL != "" && !d.Gone,
	}
	shorten(&v.Item, maxText)
	v.Actions = s.allowed(r, v.Actions)
	for name, values := range d.Header {
		for _, value := range values {
			v.Header = append(v.Header, [2]string{cut(name, maxInList), cut(value, maxText)})
		}
	}
	slices.SortStableFunc(v.Header, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	for i := range v.Attempts {
		v.Attempts[i].Error = cut(v.Attempts[i].Error, maxText)
	}
	for _, fact := range d.Facts {
		v.Facts = append(v.Facts, Fact{cut(fact.Name, maxInList), cut(fact.Value, maxText)})
	}
	s.respond(w, r, v)
}

// body serves the whole body as a download, so that no browser renders it.
func (s *server) body(w http.ResponseWriter, r *http.Request) {
	d, err := s.source.Detail(r.Context(), r.PathValue("id"))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", `attachment; filename="delivery.json"`)
	_, _ = w.Write(d.Body) // the visitor may have left
}

func (s *server) curl(w http.ResponseWriter, r *http.Request) {
	d, err := s.source.Detail(r.Context(), r.PathValue("id"))
	switch {
	case err != nil:
		s.fail(w, r, err)
	case d.URL == "" || d.Gone:
		s.fail(w, r, ErrNotFound)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte(Curl(&d))) // the visitor may have left
	}
}

func (s *server) act(w http.ResponseWriter, r *http.Request) {
	action := r.PathValue("action")
	var form struct{ Reason string }
	ctx, ok := s.begin(w, r, action, &form, &form.Reason)
	if !ok {
		return
	}
	message, err := s.source.Act(ctx, r.PathValue("id"), action)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.respond(w, r, map[string]string{"message": cut(message, maxText)})
}

// allowed returns the actions that the visitor may perform.
func (s *server) allowed(r *http.Request, actions []Action) []Action {
	return slices.DeleteFunc(slices.Clone(actions), func(a Action) bool { return !s.may(r, a.Name) })
}

// begin reads the form of an action and returns a context with the visitor and the reason. Otherwise, it responds with an error.
func (s *server) begin(w http.ResponseWriter, r *http.Request, action string, form any, reason *string) (context.Context, bool) {
	if !s.may(r, action) {
		s.failWith(w, r, http.StatusForbidden, fmt.Errorf("you are not allowed to %s", action))
		return nil, false
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm)).Decode(form); err != nil {
		s.failWith(w, r, http.StatusBadRequest, fmt.Errorf("the request is not the JSON of the page: %w", err))
		return nil, false
	}
	actor := inbox.ActorFromContext(r.Context())
	actor.Reason = cut(*reason, maxInList)
	return inbox.WithActor(r.Context(), actor), true
}

func (s *server) respond(w http.ResponseWriter, r *http.Request, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the visitor may have left
}

// fail responds with the text of an error of the source. The visitor may see it.
func (s *server) fail(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusConflict
	switch {
	case errors.Is(err, ErrNotFound):
		status = http.StatusNotFound
	case r.Method == http.MethodGet && r.Context().Err() == nil:
		status = http.StatusInternalServerError
		s.log.ErrorContext(r.Context(), "page: the source failed", "path", r.URL.Path, "error", err)
	}
	s.failWith(w, r, status, err)
}

func (s *server) failWith(w http.ResponseWriter, r *http.Request, status int, err error) {
	if r.Context().Err() != nil {
		return // the visitor has left
	}
	text, err := json.Marshal(map[string]string{"error": cut(err.Error(), maxText)})
	if err != nil {
		text = nil // cannot happen for a string
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the visitor may have left
}

func shorten(i *Item, n int) {
	for _, text := range []*string{&i.Vendor, &i.Endpoint, &i.Type, &i.Delivery, &i.Verdict, &i.Reason, &i.Explanation, &i.Error} {
		*text = cut(*text, n)
	}
}

// cut truncates a text to at most n bytes, between characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// preview returns the beginning of a body, which ends between characters.
func preview(body []byte) []byte {
	if len(body) <= maxPreview {
		return body
	}
	n := maxPreview
	for i := 0; i < utf8.UTFMax && !utf8.RuneStart(body[n]); i++ {
		n--
	}
	return body[:n]
}
