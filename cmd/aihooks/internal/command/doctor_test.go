package command

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const doctorSecret = "secret-of-the-tests-0123456789"

// newTestDoctor returns a doctor with that secret for a URL.
func newTestDoctor(t *testing.T, vendor, url, secret string) *doctor {
	t.Helper()
	v, err := allvendors.Find(vendor)
	require.NoError(t, err)
	v.Profile.RespondWithin = kit.Patience // a busy machine must not look like a slow endpoint
	a := &app{Terminal: Terminal{Env: func(name string) (string, bool) { return secret, name == secretName(v) }}}
	d, err := a.newDoctor(v, &doctorOptions{url: url, timeout: time.Minute})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.close()) })
	return d
}

// findings runs all checks, and returns their findings by the names of the checks.
func (d *doctor) findings(t *testing.T) map[string]finding {
	t.Helper()
	by := make(map[string]finding)
	for _, f := range d.examine(t.Context(), func(finding) {}) {
		require.NotEmpty(t, f.Found, f.Check)
		require.NotContains(t, f.Found+f.Fix, doctorSecret)
		require.Equal(t, f.Result == resultWarning || f.Result == resultProblem, f.Fix != "", "%+v", f)
		by[f.Check] = f
	}
	require.Len(t, by, len(doctorChecks))
	return by
}

// doctorHandler returns a vendor's handler. Its callbacks fail the test.
func doctorHandler(t *testing.T, vendor string, o webhook.Options) webhook.VendorHandler {
	t.Helper()
	v, err := allvendors.Find(vendor)
	require.NoError(t, err)
	o.Logger = slog.New(slog.DiscardHandler)
	h, err := v.NewHandler(doctorSecret, &o)
	require.NoError(t, err)
	h.OnEvent(func(context.Context, webhook.AnyEvent) error {
		t.Error("a callback ran")
		return nil
	})
	return h
}

func serveDoctor(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/hooks"
}

// requireResults requires that each finding is ok, unless want has another result for its check.
func requireResults(t *testing.T, got map[string]finding, want map[string]result) {
	t.Helper()
	for name, f := range got {
		expected := resultOK
		if r, ok := want[name]; ok {
			expected = r
		}
		require.Equal(t, expected, f.Result, "%+v", f)
	}
}

// withoutTLS are the results that are not ok for a healthy service over http on this machine, without an inbox.
func withoutTLS(vendor string) map[string]result {
	want := map[string]result{
		"certificate": resultSkipped, "inbox": resultSkipped, "inbox-dead-letters": resultSkipped, "inbox-deferred": resultSkipped,
		"inbox-oldest": resultSkipped, "inbox-settings": resultSkipped, "store-settings": resultSkipped, "store-retention": resultSkipped,
	}
	if vendor == "emberqa" {
		want["future-event"], want["stale-event"], want["rewritten-body"] = resultSkipped, resultSkipped, resultSkipped
	}
	return want
}

func TestDoctor_RunsAndStoresNothing(t *testing.T) {
	for _, v := range allvendors.All() {
		t.Run(v.Name(), func(t *testing.T) {
			outcomes := make(map[string]int)
			h := doctorHandler(t, v.Name(), webhook.Options{
				Observer:    func(_ context.Context, o webhook.Observation) { outcomes[string(o.Outcome)+" "+string(o.Reason)]++ },
				OnStoreCall: func(string, time.Duration, error) { t.Error("the store was called") },
			})
			if v.Signs() {
				fails := func(context.Context, *webhook.Delivery) error {
					t.Error("Before or OnUnhandled ran")
					return nil
				}
				h.Before(fails)
				h.OnUnhandled(fails)
			}
			got := newTestDoctor(t, v.Name(), serveDoctor(t, h), doctorSecret).findings(t)
			requireResults(t, got, withoutTLS(v.Name()))
			if v.Signs() {
				require.Equal(t, map[string]int{
					"unhandled stale": 3 + len(bodyVariants), "rejected stale": 1, "rejected future": 1, "unauthenticated signature_mismatch": 1,
				}, outcomes)
			} else {
				require.Equal(t, map[string]int{"unhandled unknown_type": 1, "unauthenticated credential": 3}, outcomes)
			}
		})
	}
}

// A broken is a deployment with a mistake, and what doctor must find.
type broken struct {
	vendor string // defaults to workflux
	secret string // of doctor; defaults to the handler's
	proxy  func(h http.Handler) http.Handler
	check  string
	result result // defaults to a problem
	says   []string
}

func TestDoctor_FindsWhatIsBroken(t *testing.T) {
	for name, b := range map[string]broken{
		"wrong secret": {secret: "another-secret-of-the-tests", check: "test-event", says: []string{"401", "Compare the secret", "X-Workflux-Signature"}},
		"wrong token":  {vendor: "emberqa", secret: "another-secret-of-the-tests", check: "test-event", says: []string{"401", "Compare the token"}},
		"signature header dropped": {proxy: func(h http.Handler) http.Handler {
			return rewrite(h, func(r *http.Request, body []byte) []byte {
				r.Header.Del("X-Greenflash-Timestamp")
				return body
			})
		}, vendor: "greenflash", check: "test-event", says: []string{"drops X-Greenflash-Signature, X-Greenflash-Timestamp"}},
		"login": {
			proxy: func(http.Handler) http.Handler { return status(http.StatusUnauthorized, "WWW-Authenticate", "Basic") },
			check: "test-event", says: []string{"asks for a login"},
		},
		"nothing verified":  {proxy: func(http.Handler) http.Handler { return status(http.StatusOK) }, check: "forged-event", says: []string{"verifies nothing"}},
		"no token verified": {vendor: "emberqa", proxy: func(http.Handler) http.Handler { return status(http.StatusOK) }, check: "forged-event", says: []string{"verifies nothing"}},
		"other refusal": {proxy: func(h http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorder := httptest.NewRecorder()
				if h.ServeHTTP(recorder, r); recorder.Code == http.StatusUnauthorized {
					recorder.Code = http.StatusForbidden
				}
				w.WriteHeader(recorder.Code)
			})
		}, check: "forged-event", result: resultWarning, says: []string{"403 Forbidden", "instead of 401"}},
		"no time checked": {
			proxy: func(http.Handler) http.Handler { return verifying(t, func(time.Time) bool { return true }) },
			check: "future-event", says: []string{"a day ahead"},
		},
		"stale time accepted": {
			proxy: func(http.Handler) http.Handler {
				return verifying(t, func(at time.Time) bool { return time.Until(at) < time.Hour })
			},
			check: "stale-event", says: []string{"two years old", "Config.Window"},
		},
		"JSON written again": {
			proxy: func(h http.Handler) http.Handler { return reencode(h, compact) },
			check: "rewritten-body", says: []string{"spaces and line breaks", "escapes in strings", "trailing zeros", "alphabetical order", "line break at the end", "rewrites bodies"},
		},
		"JSON written again with spaces": {
			proxy: func(h http.Handler) http.Handler { return reencode(h, spaced) },
			check: "test-event", says: []string{"The secret is right", "byte for byte"},
		},
		"characters converted": {
			proxy: func(h http.Handler) http.Handler {
				return rewrite(h, func(_ *http.Request, body []byte) []byte {
					return []byte(strings.ToValidUTF8(strings.Map(latin1, string(body)), "?"))
				})
			},
			check: "rewritten-body", says: []string{"one with letters that are not ASCII, so"},
		},
		"requests compressed": {
			proxy: func(h http.Handler) http.Handler {
				return rewrite(h, func(r *http.Request, body []byte) []byte {
					r.Header.Set("Content-Encoding", "gzip")
					return gzipped(body)
				})
			},
			check: "endpoint", says: []string{"415", "not to compress requests"},
		},
		"requests compressed without a header": {
			proxy: func(h http.Handler) http.Handler {
				return rewrite(h, func(_ *http.Request, body []byte) []byte { return gzipped(body) })
			},
			check: "test-event", says: []string{"compresses bodies"},
		},
		"responses compressed": {
			proxy: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Encoding", "gzip")
					h.ServeHTTP(w, r)
				})
			},
			check: "compression", result: resultWarning, says: []string{"Content-Encoding gzip"},
		},
		"large bodies refused": {
			proxy: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength > 64<<10 {
						w.WriteHeader(http.StatusRequestEntityTooLarge)
						return
					}
					h.ServeHTTP(w, r)
				})
			},
			check: "large-body", says: []string{"413", "client_max_body_size"},
		},
		"large bodies cut": {
			proxy: func(h http.Handler) http.Handler {
				return rewrite(h, func(_ *http.Request, body []byte) []byte { return body[:min(len(body), 64<<10)] })
			},
			check: "large-body", says: []string{"something changes it"},
		},
		"chunked bodies refused": {
			vendor: "emberqa",
			proxy: func(h http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if r.ContentLength < 0 {
						w.WriteHeader(http.StatusLengthRequired)
						return
					}
					h.ServeHTTP(w, r)
				})
			},
			check: "chunked-body", says: []string{"411", "Content-Length"},
		},
		"redirect": {
			proxy: func(http.Handler) http.Handler {
				return http.RedirectHandler("https://example.com/"+doctorSecret, http.StatusPermanentRedirect)
			},
			check: "endpoint", says: []string{"308", "https://example.com/[secret]", "follow no redirects"},
		},
		"not found":   {proxy: func(http.Handler) http.Handler { return http.NotFoundHandler() }, check: "endpoint", says: []string{"404", "Compare the path"}},
		"other route": {proxy: func(http.Handler) http.Handler { return status(http.StatusMethodNotAllowed) }, check: "endpoint", says: []string{"405", "for POST"}},
		"firewall":    {proxy: func(http.Handler) http.Handler { return status(http.StatusForbidden) }, check: "endpoint", says: []string{"403", "firewall"}},
		"URL limit":   {proxy: func(http.Handler) http.Handler { return status(http.StatusRequestURITooLong) }, check: "endpoint", says: []string{"414", "limit for URLs"}},
		"headers limit": {
			proxy: func(http.Handler) http.Handler { return status(http.StatusRequestHeaderFieldsTooLarge) },
			check: "endpoint", says: []string{"431", "limit for headers"},
		},
		"no service": {proxy: func(http.Handler) http.Handler { return status(http.StatusBadGateway) }, check: "endpoint", says: []string{"502", "does not reach the service"}},
		"clock behind": {
			proxy: clockAhead(-10 * time.Minute), check: "clock", says: []string{"10m0s behind", "Synchronize"},
		},
		"clock ahead": {
			proxy: clockAhead(10 * time.Minute), check: "clock", result: resultWarning, says: []string{"10m0s ahead of", "Synchronize"},
		},
		"clock ahead of the window": {
			vendor: "greenflash", proxy: clockAhead(10 * time.Minute), check: "clock", says: []string{"refuses deliveries at a difference of 5m0s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if b.vendor == "" {
				b.vendor = "workflux"
			}
			if b.secret == "" {
				b.secret = doctorSecret
			}
			if b.result == "" {
				b.result = resultProblem
			}
			var h http.Handler = doctorHandler(t, b.vendor, webhook.Options{})
			if b.proxy != nil {
				h = b.proxy(h)
			}
			got := newTestDoctor(t, b.vendor, serveDoctor(t, h), b.secret).findings(t)
			f := got[b.check]
			require.Equal(t, b.result, f.Result, "%+v", f)
			for _, text := range b.says {
				require.Contains(t, f.Found+" "+f.Fix, text)
			}
			for _, c := range doctorChecks { // a problem is reported once, where its cause is
				if c.name == b.check {
					break
				}
				require.NotEqual(t, resultProblem, got[c.name].Result, "%+v", got[c.name])
			}
		})
	}
}

func TestDoctor_ReportsSlowResponse(t *testing.T) {
	for _, c := range []struct {
		took   time.Duration
		result result
	}{{time.Second, resultOK}, {2500 * time.Millisecond, resultWarning}, {4500 * time.Millisecond, resultProblem}} {
		f := judgeResponseTime(c.took, 5*time.Second, "workflux waits for 5s")
		require.Equal(t, c.result, f.Result)
		require.Contains(t, f.Found, "workflux waits for 5s")
	}
	const deadline = 2 * time.Second
	h := doctorHandler(t, "workflux", webhook.Options{})
	d := newTestDoctor(t, "workflux", serveDoctor(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-time.After(deadline / 2)
		h.ServeHTTP(w, r)
	})), doctorSecret)
	d.vendor.Profile.RespondWithin = deadline
	event := d.testEvent()
	d.test = d.send(t.Context(), &event)
	require.NotEqual(t, resultOK, checkResponseTime(t.Context(), d).Result)
}

func TestDoctor_EndsWhenEndpointHangs(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client has gone
		<-r.Context().Done()
	}))
	t.Cleanup(s.Close)
	d := newTestDoctor(t, "workflux", s.URL, doctorSecret)
	d.client.Timeout = 50 * time.Millisecond
	got := d.findings(t)
	require.Equal(t, resultProblem, got["endpoint"].Result)
	require.Contains(t, got["endpoint"].Found, "longer than")
	for _, name := range []string{"test-event", "forged-event", "stale-event", "rewritten-body", "clock"} {
		require.Equal(t, resultSkipped, got[name].Result, name)
	}
}

func TestDoctor_KeepsTokenOfURL(t *testing.T) {
	h := doctorHandler(t, "emberqa", webhook.Options{})
	d := newTestDoctor(t, "emberqa", serveDoctor(t, h)+"/"+doctorSecret, doctorSecret)
	requireResults(t, d.findings(t), withoutTLS("emberqa"))
}
