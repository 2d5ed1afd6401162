package webhook_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A directory has the tenants t0, t1 and so on. The secret of t1 is "secret of t1".
type directory struct {
	lookups atomic.Int64
	takes   time.Duration
	err     atomic.Pointer[error]
	gone    sync.Map // tenants that were deleted
}

func (d *directory) keys(ctx context.Context, tenant string) ([]signature.Key, error) {
	d.lookups.Add(1)
	select {
	case <-time.After(d.takes):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := d.err.Load(); err != nil {
		return nil, *err
	}
	if _, gone := d.gone.Load(tenant); gone || !strings.HasPrefix(tenant, "t") {
		return nil, nil
	}
	return []signature.Key{signature.NewKey("current", "secret of "+tenant)}, nil
}

// A tenantService serves all tenants at /hooks/{tenant}/acme.
type tenantService struct {
	*directory
	*receiver
	mux *http.ServeMux
}

func newTenantService(t *testing.T, d *directory, o webhook.Options) *tenantService {
	t.Helper()
	r := newReceiver(t, o, func(_ *vendors.Profile, c *vendors.HandlerConfig) {
		c.Keys = nil
		c.Tenants = &webhook.Tenants[signature.Key]{Tenant: func(r *http.Request) string { return r.PathValue("tenant") }, Keys: d.keys}
	})
	s := &tenantService{d, r, http.NewServeMux()}
	s.mux.Handle("POST /hooks/{tenant}/acme", r.Handler)
	return s
}

// post sends a ping for a tenant, signed with a secret.
func (s *tenantService) post(t *testing.T, tenant, secret, id string) *httptest.ResponseRecorder {
	t.Helper()
	signer := webhooktest.Signer{Profile: acme(), URL: "/hooks/" + tenant + "/acme", Key: signature.NewKey("x", secret)}
	body := fmt.Sprintf(`{"type":"ping","id":%q,"time":%d,"data":{"n":1}}`, id, time.Now().Unix())
	request, err := signer.Request([]byte(body), time.Now(), "")
	require.NoError(t, err)
	response := httptest.NewRecorder()
	s.mux.ServeHTTP(response, request)
	return response
}

func (s *tenantService) last() webhook.Observation {
	all := s.observations()
	return all[len(all)-1]
}

func TestTenants_VerifyWithTheirKeys(t *testing.T) {
	s := newTenantService(t, new(directory), webhook.Options{})
	var got []*webhook.Delivery
	ping.On(s.Handler, func(_ context.Context, e *Ping) error { got = append(got, e.Delivery()); return nil })
	require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_1").Code)
	require.Equal(t, "t1", got[0].Tenant)
	require.Equal(t, "current", got[0].SignedBy)
	require.Equal(t, []string{"acme/default/tenant/t1/id/ping/evt_1"}, got[0].Keys)
	require.Equal(t, "t1", s.last().Tenant)
	require.Contains(t, s.log.String(), `"tenant":"t1"`)

	require.Equal(t, http.StatusOK, s.post(t, "t2", "secret of t2", "evt_1").Code)
	require.Len(t, got, 2, "two tenants share no duplicates")
	require.Contains(t, s.post(t, "t1", "secret of t1", "evt_1").Body.String(), "duplicate")
	require.Len(t, got, 2)

	require.Equal(t, http.StatusUnauthorized, s.post(t, "t1", "secret of t2", "evt_2").Code, "the key of another tenant")
	require.Error(t, s.SetKeys(signature.NewKey("a", "secret")))
	require.ErrorContains(t, s.SetKeys(signature.NewKey("a", "secret")), "the keys come from Config.Tenants")
}

func TestTenants_RespondAlikeToUnknownTenantAndBadSignature(t *testing.T) {
	s := newTenantService(t, new(directory), webhook.Options{})
	ping.On(s.Handler, func(context.Context, *Ping) error { return nil })
	bad := s.post(t, "t1", "wrong", "evt_1")
	badSeen := s.last()
	unknown := s.post(t, "invented", "secret of invented", "evt_1")
	unknownSeen := s.last()
	require.Equal(t, bad.Code, unknown.Code)
	require.Equal(t, bad.Body.String(), unknown.Body.String())
	require.Equal(t, bad.Header(), unknown.Header())
	require.Equal(t, badSeen.Reason, unknownSeen.Reason)
	require.ErrorContains(t, badSeen.Err, `tenant "t1"`)
	require.ErrorContains(t, unknownSeen.Err, `the tenant "invented" is unknown`)
	require.Empty(t, unknownSeen.Tenant)
	require.Contains(t, s.log.String(), string(vendors.CauseTenantUnknown))
	require.NotContains(t, s.log.String(), "secret of")

	none := httptest.NewRecorder()
	s.Handler.ServeHTTP(none, httptest.NewRequest(http.MethodPost, "/", strings.NewReader("{}")))
	require.Equal(t, http.StatusUnauthorized, none.Code, "no tenant in the path")
	require.EqualValues(t, 2, s.lookups.Load())
}

func TestTenants_RespondUnavailableIfLookupFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("the directory is down")
		d := &directory{}
		d.err.Store(&down)
		s := newTenantService(t, d, webhook.Options{})
		ping.On(s.Handler, func(context.Context, *Ping) error { return nil })
		response := s.post(t, "t1", "secret of t1", "evt_1")
		require.Equal(t, http.StatusServiceUnavailable, response.Code)
		require.NotEmpty(t, response.Header().Get("Retry-After"))
		require.NotContains(t, response.Body.String(), "directory")
		require.ErrorIs(t, s.last().Err, down)
		require.NotContains(t, s.log.String(), "explanation", "nothing was refused")
		require.Equal(t, webhook.ReasonAuthenticator, s.last().Reason)

		d.err.Store(nil)
		require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_1").Code, "an error is not kept")

		d.takes = time.Hour
		began := time.Now()
		require.Equal(t, http.StatusServiceUnavailable, s.post(t, "t2", "secret of t2", "evt_1").Code)
		require.Equal(t, time.Second, time.Since(began), "Options.StoreTimeout")
		require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_2").Code, "its keys are cached")
	})
}

func TestTenants_ForgetDeletedTenantAfterTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTenantService(t, new(directory), webhook.Options{})
		ping.On(s.Handler, func(context.Context, *Ping) error { return nil })
		require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_1").Code)
		s.gone.Store("t1", true)
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusUnauthorized, s.post(t, "t1", "secret of t1", "evt_2").Code)
		s.gone.Delete("t1")
		time.Sleep(time.Minute)
		require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_2").Code)
	})
}

func TestTenants_TakeManyTenantsAtOnce(t *testing.T) {
	const tenants, senders = 10_000, 64
	synctest.Test(t, func(t *testing.T) { // on a busy machine a lookup may take longer than StoreTimeout
		s := newTenantService(t, &directory{takes: time.Millisecond}, webhook.Options{})
		var runs sync.Map
		var handled atomic.Int64
		ping.On(s.Handler, func(_ context.Context, e *Ping) error {
			_, twice := runs.LoadOrStore(e.Delivery().Keys[0], true)
			require.False(t, twice)
			handled.Add(1)
			return nil
		})
		var all sync.WaitGroup
		for n := range senders {
			all.Go(func() {
				for i := n; i < tenants; i += senders {
					tenant := fmt.Sprint("t", i)
					for s.post(t, tenant, "secret of "+tenant, "evt_1").Code == http.StatusServiceUnavailable {
						time.Sleep(10 * time.Millisecond) // the vendor tries again
					}
				}
			})
		}
		all.Wait()
		require.EqualValues(t, tenants, handled.Load(), "the same id at each tenant")
		require.LessOrEqual(t, s.lookups.Load(), int64(tenants+senders))
		before := s.lookups.Load()
		for n := range senders {
			all.Go(func() {
				require.Equal(t, http.StatusOK, s.post(t, "t77", "secret of t77", fmt.Sprint("evt_", n+2)).Code)
			})
		}
		all.Wait()
		require.LessOrEqual(t, s.lookups.Load()-before, int64(1))
	})
}

// A name that Tenant returns must not be read as part of another key.
func TestTenants_KeysStaySeparate(t *testing.T) {
	keyOf := func(tenant, id string) string {
		r := newReceiver(t, webhook.Options{}, func(p *vendors.Profile, c *vendors.HandlerConfig) {
			c.Keys = nil
			c.Authenticator = vendors.AuthenticatorFunc(func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
				return signature.Match{Key: "default", Tenant: tenant}, nil
			})
		})
		result := r.Process(t.Context(), webhook.Request{Body: strings.NewReader(fmt.Sprintf(`{"type":"ping","id":%q,"time":%d}`, id, time.Now().Unix()))})
		require.NotNil(t, result.Delivery, result.Err)
		return result.Delivery.Keys[0]
	}
	keys := func(tenant string) string { return keyOf(tenant, "1") }
	require.NotEqual(t, keyOf("a", "id/ping/1"), keyOf("a/id/ping", "1"))
	seen := make(map[string]string)
	for _, tenant := range []string{"", "a", "a/id/ping", "a/", "id", "tenant", "a\n", "A", strings.Repeat("a", 1000), strings.Repeat("a", 1001), "ü", " a"} {
		key := keys(tenant)
		require.Empty(t, seen[key], "%q and %q", seen[key], tenant)
		seen[key] = tenant + "."
	}
}

func TestTenants_InboxWorkerNeedsNoSecret(t *testing.T) {
	var kept []*webhook.Delivery
	s := newTenantService(t, new(directory), webhook.Options{Store: memory(t, 0), Inbox: inboxFunc(func(_ context.Context, d *webhook.Delivery) (bool, error) {
		kept = append(kept, d)
		return false, nil
	})})
	ping.On(s.Handler, func(context.Context, *Ping) error { return nil })
	require.Equal(t, http.StatusOK, s.post(t, "t1", "secret of t1", "evt_1").Code)
	require.Len(t, kept, 1)
	stored, err := json.Marshal(kept[0])
	require.NoError(t, err)
	require.False(t, bytes.Contains(stored, []byte("secret")))

	down := errors.New("the directory is down")
	s.err.Store(&down)
	d := new(webhook.Delivery)
	require.NoError(t, json.Unmarshal(stored, d))
	require.Equal(t, "t1", d.Tenant)
	require.Equal(t, webhook.Handled, s.Redeliver(t.Context(), d).Outcome)
	require.Equal(t, "t1", s.last().Tenant)
}

func TestTenants_NameBrokenRule(t *testing.T) {
	name := func(*http.Request) string { return "" }
	keys := new(directory).keys
	for says, c := range map[string]vendors.HandlerConfig{
		"needs both functions, Tenant and Keys": {Tenants: &webhook.Tenants[signature.Key]{Keys: keys}},
		"needs both functions":                  {Tenants: &webhook.Tenants[signature.Key]{Tenant: name}},
		"must not be negative":                  {Tenants: &webhook.Tenants[signature.Key]{Tenant: name, Keys: keys, TTL: -1}},
		"Tenants.Max (-1)":                      {Tenants: &webhook.Tenants[signature.Key]{Tenant: name, Keys: keys, Max: -1}},
		"Config.Keys must be empty":             {Tenants: &webhook.Tenants[signature.Key]{Tenant: name, Keys: keys}, Keys: []signature.Key{signature.NewKey("a", "secret")}},
	} {
		_, err := webhook.NewHandler(acme(), c, nil)
		require.ErrorContains(t, err, says)
	}
}

func TestTenants_ExplainWithTheirKeys(t *testing.T) {
	s := newTenantService(t, new(directory), webhook.Options{})
	explain := func(tenant, secret string) diagnose.Explanation {
		signer := webhooktest.Signer{Profile: acme(), URL: "/", Key: signature.NewKey("x", secret)}
		body := fmt.Sprintf(`{"type":"ping","id":"1","time":%d}`, time.Now().Unix())
		r, err := signer.Request([]byte(body), time.Now(), "")
		require.NoError(t, err)
		r.Header.Set("X-Tenant", tenant)
		h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Tenants: &webhook.Tenants[signature.Key]{
			Tenant: func(r *http.Request) string { return r.Header.Get("X-Tenant") }, Keys: s.keys,
		}}, nil)
		require.NoError(t, err)
		return h.Explain(webhook.Request{Header: r.Header, Body: strings.NewReader(body)}, time.Now())
	}
	require.Equal(t, diagnose.None, explain("t1", "secret of t1").Cause)
	require.Equal(t, diagnose.SecretWhitespace, explain("t1", "secret of t1\n").Cause)
	require.Equal(t, vendors.CauseTenantUnknown, explain("invented", "secret of invented").Cause)
	down := errors.New("the directory is down")
	s.err.Store(&down)
	require.Equal(t, diagnose.Cause("authenticator"), explain("t2", "secret of t2").Cause)
}

// The times of the two must be about the same: compare the two results of one run.
func BenchmarkTenants_Refusal(b *testing.B) {
	d := new(directory)
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Tenants: &webhook.Tenants[signature.Key]{
		Tenant: func(r *http.Request) string { return r.Header.Get("X-Tenant") }, Keys: d.keys, TTL: time.Hour,
	}}, nil)
	require.NoError(b, err)
	signer := webhooktest.Signer{Profile: acme(), URL: "/", Key: signature.NewKey("x", "wrong")}
	body := fmt.Appendf(nil, `{"type":"ping","id":"1","time":%d}`, time.Now().Unix())
	for name, tenant := range map[string]string{"bad signature": "t1", "unknown tenant": "invented"} {
		r, err := signer.Request(body, time.Now(), "")
		require.NoError(b, err)
		r.Header.Set("X-Tenant", tenant)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if h.Process(context.Background(), webhook.Request{Header: r.Header, Body: bytes.NewReader(body)}).Status != http.StatusUnauthorized {
					b.Fatal("accepted")
				}
			}
		})
	}
}

// A name comes from anyone, and names that are unknown are kept.
func TestTenants_LongNameIsUnknown(t *testing.T) {
	s := newTenantService(t, new(directory), webhook.Options{})
	ping.On(s.Handler, func(context.Context, *Ping) error { return nil })
	longest := "t" + strings.Repeat("x", 255)
	require.Equal(t, http.StatusOK, s.post(t, longest, "secret of "+longest, "evt_1").Code)
	require.Equal(t, longest, s.last().Tenant)
	require.Equal(t, http.StatusUnauthorized, s.post(t, longest+"x", "secret of "+longest+"x", "evt_1").Code)
	require.Equal(t, signature.Mismatch.Error(), string(s.last().Reason))
	require.EqualValues(t, 1, s.lookups.Load(), "it is not looked up")
}

// Even if the keys of unknown tenants verify, the tenant is unknown.
func TestTenants_UnknownTenantIsNeverAccepted(t *testing.T) {
	accept := vendors.AuthenticatorFunc(func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
		return signature.Match{Key: "default"}, nil
	})
	tenants := webhook.Tenants[int]{
		Tenant: func(r *http.Request) string { return r.Header.Get("X-Tenant") },
		Keys: func(_ context.Context, tenant string) ([]int, error) {
			if tenant == "known" {
				return []int{1}, nil
			}
			return nil, nil
		},
	}
	a, err := tenants.PerTenant(accept, func([]int) (vendors.Authenticator, error) { return accept, nil })
	require.NoError(t, err)
	for name, want := range map[string]string{"": "", "unknown": "", "known": "known"} {
		match, err := a.Authenticate(t.Context(), &vendors.Request{Header: http.Header{"X-Tenant": {name}}}, nil)
		require.Equal(t, want != "", err == nil, name)
		require.Equal(t, want, match.Tenant)
	}
}
