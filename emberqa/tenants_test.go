package emberqa_test

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"net/url"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

func TestTenants_HaveTheirCredentials(t *testing.T) {
	lookups := 0
	hook, err := emberqa.Config{Tenants: &webhook.Tenants[emberqa.Credential]{
		Tenant: func(r *http.Request) string { return strings.Split(r.URL.Path, "/")[2] },
		Keys: func(_ context.Context, tenant string) ([]emberqa.Credential, error) {
			lookups++
			if !strings.HasPrefix(tenant, "t") {
				return nil, nil
			}
			return []emberqa.Credential{emberqa.Token("the-token-of-" + tenant)}, nil
		},
	}}.NewHandler(&webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	hook.OnUnhandled(func(context.Context, *webhook.Delivery) error { return nil })
	send := func(tenant, token, id string) webhook.Result {
		return hook.Process(t.Context(), webhook.Request{
			URL: &url.URL{Path: "/hooks/" + tenant + "/" + token}, Body: strings.NewReader(`{"type":"red_flag","webhook_id":"` + id + `"}`),
		})
	}
	first := send("t1", "the-token-of-t1", "1")
	require.Equal(t, http.StatusOK, first.Status, first.Err)
	require.Equal(t, "t1", first.Delivery.Tenant)
	require.NotEqual(t, first.Delivery.Keys, send("t2", "the-token-of-t2", "1").Delivery.Keys)
	require.Equal(t, webhook.Duplicate, send("t1", "the-token-of-t1", "1").Outcome)

	bad, unknown := send("t1", "the-token-of-t2", "2"), send("invented", "the-token-of-invented", "2")
	require.Equal(t, http.StatusUnauthorized, bad.Status)
	require.Equal(t, bad.Status, unknown.Status)
	require.Equal(t, bad.Body, unknown.Body)
	require.Equal(t, bad.Reason, unknown.Reason)
	require.Equal(t, 3, lookups)

	explained := func(tenant string) string {
		r := webhook.Request{URL: &url.URL{Path: "/hooks/" + tenant + "/wrong"}, Body: strings.NewReader(`{}`)}
		return string(hook.Explain(r, first.Delivery.ReceivedAt).Cause)
	}
	require.Equal(t, string(vendors.CauseTenantUnknown), explained("invented"))
	require.NotEqual(t, string(vendors.CauseTenantUnknown), explained("t1"))
	require.ErrorContains(t, hook.SetCredentials(emberqa.Token("another-token-of-mine")), "the credentials come from Config.Tenants")

	_, err = emberqa.Config{Tenants: &webhook.Tenants[emberqa.Credential]{}}.NewHandler(nil)
	require.ErrorContains(t, err, "needs both functions")
	_, err = emberqa.Config{Tenants: &webhook.Tenants[emberqa.Credential]{}, Credentials: []emberqa.Credential{emberqa.Token("a-token-of-enough-length")}}.NewHandler(nil)
	require.ErrorContains(t, err, "Config.Credentials must be empty")
}
