package page_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/inboxsource"
	"github.com/aihooks/aihooks-go/internal/live"
	"github.com/aihooks/aihooks-go/internal/page"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/internal/test/pagekit"
	"github.com/aihooks/aihooks-go/webhook"
)

// mixedBox has 8 dead letters, half of them of the type b, and an entry of each other state.
func mixedBox() *memorybox.Box {
	box := new(memorybox.Box)
	hourAgo := time.Now().Add(-time.Hour)
	for i := range 8 {
		box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "workflux", Endpoint: "eu", Type: []string{"a", "b"}[i%2], ID: fmt.Sprint("dlv_", i), ReceivedAt: hourAgo},
			inbox.Attempt{Outcome: webhook.Failed, Error: "the CRM is down"})
	}
	for _, state := range []inbox.State{inbox.Pending, inbox.Running, inbox.Deferred, inbox.Done} {
		box.Add(state, webhook.Delivery{Vendor: "workflux", Endpoint: "eu", Type: "a", ReceivedAt: hourAgo})
	}
	return box
}

type preview struct {
	Error   string
	State   string
	Count   int
	Until   time.Time
	First   []struct{ Delivery, Error string }
	Actions []string
}

type result struct{ Message, Error string }

func post(t *testing.T, address string, form map[string]any) (result, int) {
	t.Helper()
	body, err := json.Marshal(form)
	require.NoError(t, err)
	response := pagekit.Send(t, "POST", address, string(body), "Content-Type", "application/json")
	var r result
	require.NoError(t, json.NewDecoder(response.Body).Decode(&r))
	return r, response.StatusCode
}

func TestAll_ChangesWhatPreviewCounts(t *testing.T) {
	for query, want := range map[string]struct {
		form    map[string]any
		count   int
		state   string
		actions []string
	}{
		"":                         {map[string]any{}, 8, "dead_lettered", []string{"retry", "rerun", "discard"}},
		"verdict=dead_lettered":    {map[string]any{"verdict": "dead_lettered"}, 8, "dead_lettered", []string{"retry", "rerun", "discard"}},
		"type=b":                   {map[string]any{"type": "b"}, 4, "dead_lettered", []string{"retry", "rerun", "discard"}},
		"text=DLV_3":               {map[string]any{"text": "DLV_3"}, 1, "dead_lettered", []string{"retry", "rerun", "discard"}},
		"endpoint=eu&vendor=other": {map[string]any{"endpoint": "eu", "vendor": "other"}, 0, "dead_lettered", []string{"retry", "rerun", "discard"}},
		"verdict=deferred":         {map[string]any{"verdict": "deferred"}, 1, "deferred", []string{"discard"}},
	} {
		for _, action := range want.actions {
			t.Run(query+" "+action, func(t *testing.T) {
				box := mixedBox()
				address := pagekit.Serve(t, inboxsource.New(box, "inbox"), page.Options{})
				p, status := get[preview](t, address+"/api/preview?"+query)
				require.Equal(t, 200, status)
				require.Equal(t, want.count, p.Count)
				require.Len(t, p.First, min(want.count, 5))
				require.Equal(t, want.state, p.State)
				require.Equal(t, want.actions, p.Actions)
				want.form["count"], want.form["until"], want.form["reason"] = p.Count, p.Until, "the reason"
				r, status := post(t, address+"/api/all/"+action, want.form)
				require.Equal(t, 200, status, r.Error)
				audit, err := box.Audit(t.Context())
				require.NoError(t, err)
				if want.count == 0 {
					require.Empty(t, audit)
					return
				}
				require.Equal(t, inbox.Action(action), audit[0].Action)
				require.Equal(t, want.count, audit[0].Entries)
				require.Equal(t, "the reason", audit[0].Reason)
			})
		}
	}
}

func TestAll_RefusesWithoutChange(t *testing.T) {
	later := time.Now().Add(time.Minute)
	for name, c := range map[string]struct {
		action string
		form   map[string]any
		want   string
		status int
	}{
		"more than confirmed":    {"retry", map[string]any{"count": 7, "until": later}, "nothing was changed: there are now 8 entries instead of 7, so look at them again", 409},
		"without a preview":      {"retry", map[string]any{"count": 8}, "the time of the preview is missing", 409},
		"retry of deferred":      {"retry", map[string]any{"count": 8, "until": later, "verdict": "deferred"}, `"retry" is not available for these entries`, 409},
		"discard of done":        {"discard", map[string]any{"count": 8, "until": later, "verdict": "done"}, "only dead letters and deferred deliveries can be changed: choose one of these states, or all", 409},
		"an unknown state":       {"discard", map[string]any{"count": 8, "until": later, "verdict": "handled"}, "only dead letters and deferred deliveries can be changed: choose one of these states, or all", 409},
		"pause as a bulk action": {"pause", map[string]any{"count": 8, "until": later}, `"pause" is not available for these entries`, 409},
		"a forbidden action":     {"rerun", map[string]any{"count": 8, "until": later}, "you are not allowed to rerun", 403},
		"an empty form":          {"retry", nil, "the time of the preview is missing", 409},
	} {
		t.Run(name, func(t *testing.T) {
			box := mixedBox()
			address := pagekit.Serve(t, inboxsource.New(box, "inbox"), page.Options{May: func(action string) bool { return action != "rerun" }})
			r, status := post(t, address+"/api/all/"+c.action, c.form)
			require.Equal(t, c.status, status)
			if c.want != "" {
				require.Equal(t, c.want, r.Error)
			}
			audit, err := box.Audit(t.Context())
			require.NoError(t, err)
			require.Empty(t, audit)
		})
	}
}

// Other sites and forms must not reach the actions of an inbox.
func TestOperations_AreGuarded(t *testing.T) {
	box := mixedBox()
	address := pagekit.Serve(t, inboxsource.New(box, "inbox"), page.Options{})
	for _, path := range []string{"/api/all/discard", "/api/pause", "/api/resume"} {
		for _, c := range []struct {
			want  int
			pairs []string
		}{
			{403, []string{"Content-Type", "application/json", "Sec-Fetch-Site", "cross-site"}},
			{403, []string{"Content-Type", "application/json", "Sec-Fetch-Site", "same-site"}},
			{403, []string{"Content-Type", "application/json", "Origin", "https://evil.test"}},
			{415, []string{"Content-Type", "text/plain"}},
			{400, []string{"Content-Type", "application/json"}},
		} {
			require.Equal(t, c.want, pagekit.Send(t, "POST", address+path, `{"vendor":`, c.pairs...).StatusCode, "%s %v", path, c.pairs)
		}
		require.Equal(t, 405, pagekit.Send(t, "GET", address+path, "").StatusCode, path)
	}
	for _, path := range []string{"/api/preview", "/api/pauses", "/api/activity"} {
		require.Equal(t, 403, pagekit.Send(t, "GET", address+path, "", "Sec-Fetch-Site", "cross-site").StatusCode, path)
	}
	audit, err := box.Audit(t.Context())
	require.NoError(t, err)
	require.Empty(t, audit)
}

func TestOperations_AreMissingOnListenPage(t *testing.T) {
	address := pagekit.Serve(t, pagekit.SampleRing(), page.Options{})
	for _, path := range []string{"/api/preview", "/api/pauses", "/api/activity"} {
		require.Equal(t, 404, pagekit.Send(t, "GET", address+path, "").StatusCode, path)
	}
	text, err := io.ReadAll(pagekit.Send(t, "GET", address+"/api/items", "").Body)
	require.NoError(t, err)
	require.NotContains(t, string(text), `"operator"`)
}

func TestPause_RecordsWhoAndWhy(t *testing.T) {
	box := mixedBox()
	address := pagekit.Serve(t, inboxsource.New(box, "inbox"), page.Options{May: func(action string) bool { return action != "resume" }})
	r, status := post(t, address+"/api/pause", map[string]any{"vendor": " ", "reason": "x"})
	require.Equal(t, 409, status)
	require.Equal(t, "choose a vendor, an endpoint or a type", r.Error)
	_, status = post(t, address+"/api/pause", map[string]any{"vendor": "workflux ", "type": "a", "reason": "the CRM moves"})
	require.Equal(t, 200, status)
	var pauses struct{ Pauses []inbox.Pause }
	require.NoError(t, json.NewDecoder(pagekit.Send(t, "GET", address+"/api/pauses", "").Body).Decode(&pauses))
	require.Len(t, pauses.Pauses, 1)
	require.Equal(t, inbox.Scope{Vendor: "workflux", Type: "a"}, pauses.Pauses[0].Scope)
	require.Equal(t, "the CRM moves", pauses.Pauses[0].Reason)
	r, status = post(t, address+"/api/resume", map[string]any{"vendor": "workflux", "type": "a"})
	require.Equal(t, 403, status)
	require.Equal(t, "you are not allowed to resume", r.Error)

	all := pagekit.Serve(t, inboxsource.New(box, "inbox"), page.Options{})
	r, status = post(t, all+"/api/resume", map[string]any{"vendor": "workflux"})
	require.Equal(t, 409, status)
	require.Equal(t, "exactly this is not paused any more", r.Error)
	_, status = post(t, all+"/api/resume", map[string]any{"vendor": "workflux", "type": "a"})
	require.Equal(t, 200, status)
}

func TestActivity_IsSharedFor30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := mixedBox()
		handler := pagekit.New(t, inboxsource.New(box, "inbox"), page.Options{})
		request := func() (a inbox.Activity) {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://localhost/api/activity", nil))
			require.Equal(t, 200, w.Code)
			require.NoError(t, json.NewDecoder(bytes.NewReader(w.Body.Bytes())).Decode(&a))
			return a
		}
		a := request()
		require.InDelta(t, 72, len(a.Steps), 1)
		require.Empty(t, a.Types)
		lists := box.Lists()
		for range 10 {
			go request()
		}
		time.Sleep(29 * time.Second)
		synctest.Wait()
		request()
		require.Equal(t, lists, box.Lists())
		time.Sleep(time.Second)
		request()
		require.Greater(t, box.Lists(), lists)
	})
}

// A downBox returns an error from every method.
type downBox struct{ inbox.Operator }

var errDown = errors.New("the engine is down")

func (downBox) List(context.Context, inbox.Query) (inbox.Page, error) { return inbox.Page{}, errDown }
func (downBox) Stats(context.Context) (inbox.Stats, error)            { return inbox.Stats{}, errDown }
func (downBox) Pauses(context.Context) ([]inbox.Pause, error)         { return nil, errDown }
func (downBox) Pause(context.Context, inbox.Scope) error              { return errDown }

func TestOperations_ReportErrors(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	address := pagekit.Serve(t, inboxsource.New(downBox{}, "inbox"), page.Options{Logger: quiet})
	for _, path := range []string{"/api/items", "/api/preview", "/api/pauses", "/api/activity"} {
		r, status := get[result](t, address+path)
		require.Equal(t, 500, status, path)
		require.Equal(t, errDown.Error(), r.Error, path)
	}
	for path, form := range map[string]map[string]any{"/api/pause": {"vendor": "a"}, "/api/all/retry": {"count": 1, "until": time.Now()}} {
		r, status := post(t, address+path, form)
		require.Equal(t, 409, status, path)
		require.Equal(t, errDown.Error(), r.Error, path)
	}
}

// A halfBox changes one entry and then fails.
type halfBox struct{ *memorybox.Box }

func (halfBox) Retry(context.Context, inbox.Filter) (int, error) { return 1, errDown }

func TestAll_ReportsPartialChange(t *testing.T) {
	address := pagekit.Serve(t, inboxsource.New(halfBox{mixedBox()}, "inbox"), page.Options{})
	r, status := post(t, address+"/api/all/retry", map[string]any{"count": 8, "until": time.Now()})
	require.Equal(t, 409, status)
	require.Equal(t, "1 entry was changed, and then: the engine is down", r.Error)
}

func TestItems_FilterByTypeAndEndpoint(t *testing.T) {
	ring := live.New(live.Options{})
	for _, i := range []page.Item{{Type: "a", Endpoint: "eu"}, {Type: "a", Endpoint: "us"}, {Type: "b", Endpoint: "eu"}} {
		ring.Add(page.Detail{Item: i})
	}
	for name, source := range map[string]page.Source{"listen": ring, "inbox": inboxsource.New(mixedBox(), "inbox")} {
		address := pagekit.Serve(t, source, page.Options{})
		var list struct{ Items []page.Item }
		require.NoError(t, json.NewDecoder(pagekit.Send(t, "GET", address+"/api/items?type=b&endpoint=eu", "").Body).Decode(&list))
		require.NotEmpty(t, list.Items, name)
		for _, i := range list.Items {
			require.Equal(t, "b eu", strings.Join([]string{i.Type, i.Endpoint}, " "), name)
		}
	}
}
