package vendors

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aihooks/aihooks-go/internal/lookup"
	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
)

// The defaults of [Tenants].
const (
	defaultTenantTTL  = time.Minute
	defaultMaxTenants = 10_000
)

// Tenants finds the keys of each request's tenant, for a service whose customers have separate keys. One handler
// then serves all of them. The tenant is on the delivery and part of its keys, so tenants share no duplicates. K is
// [signature.Key], or the credential of a vendor that does not sign.
//
// An unknown tenant gets the response of a bad signature, after the same work as for a tenant with one secret. With several
// keys, or an Ed25519 key, a tenant's refusal takes longer. If a lookup fails or takes too long, the response is 503, and the
// vendor sends the delivery again.
type Tenants[K any] struct {
	// Tenant returns the name of the request's tenant, for example r.PathValue("tenant"). It gets requests that are not
	// authentic. It must not read the body. "" means that there is no tenant. A name of more than 256 bytes is unknown.
	Tenant func(r *http.Request) string

	// Keys returns the live keys of a tenant. No keys means that the tenant is unknown. An error means that it could not find
	// out. It runs on a separate goroutine, once for all requests that wait for the same tenant, and at most 64 at once. Of
	// these, 16 are for tenants that were known, so that invented names do not keep their keys from being renewed.
	// ctx ends after webhook.Options.StoreTimeout, or after 1 s if the request has less time.
	Keys func(ctx context.Context, tenant string) ([]K, error)

	// TTL is how long keys are used before they are looked up again. The same holds for the fact that a tenant is unknown.
	// Errors are not kept. Defaults to 1 min.
	TTL time.Duration

	// Max is the maximum number of tenants whose keys are kept in memory. As many unknown tenants are kept. Defaults to 10,000.
	Max int
}

// PerTenant returns an [Authenticator] that finds the Authenticator of each request's tenant. It is for the author of a
// vendor's package. The function prepare makes an Authenticator from a tenant's keys. All unknown tenants have the
// Authenticator unknown, which must accept nothing, and must take as long as that of a tenant.
func (t *Tenants[K]) PerTenant(unknown Authenticator, prepare func(keys []K) (Authenticator, error)) (Authenticator, error) {
	switch {
	case t.Tenant == nil || t.Keys == nil:
		return nil, errors.New("webhook: Tenants needs both functions, Tenant and Keys")
	case t.TTL < 0 || t.Max < 0:
		return nil, fmt.Errorf("webhook: Tenants.TTL (%v) and Tenants.Max (%d) must not be negative", t.TTL, t.Max)
	}
	keysOf := t.Keys
	p := &perTenant{tenant: t.Tenant, unknown: unknown}
	p.cache.TTL, p.cache.Max = cmp.Or(t.TTL, defaultTenantTTL), cmp.Or(t.Max, defaultMaxTenants)
	p.cache.Find = func(ctx context.Context, name string) (Authenticator, bool, error) {
		keys, err := keysOf(ctx, name)
		if err != nil || len(keys) == 0 {
			return nil, false, err
		}
		a, err := prepare(keys)
		return a, true, err
	}
	return p, nil
}

// A perTenant is the Authenticator of a service with [Tenants].
type perTenant struct {
	tenant  func(r *http.Request) string
	cache   lookup.Cache[Authenticator]
	unknown Authenticator
}

// find returns the tenant of a request and its Authenticator.
func (p *perTenant) find(ctx context.Context, r *Request) (tenant string, a Authenticator, known bool, err error) {
	tenant = p.tenant(r.HTTP())
	if tenant == "" || len(tenant) > names.Max { // unknown names are kept, so they must not be as long as a URL
		return tenant, p.unknown, false, nil
	}
	a, known, err = p.cache.Get(ctx, tenant)
	if err != nil {
		return tenant, nil, false, fmt.Errorf("%w: the keys of the tenant %q: %w", ErrUnavailable, shown(tenant), err)
	}
	if !known {
		a = p.unknown
	}
	return tenant, a, known, nil
}

// shown returns a tenant's name for the log. It comes from a request that is not authentic.
func shown(tenant string) string { return names.Bounded(tenant, names.Max) }

// Authenticate implements [Authenticator].
func (p *perTenant) Authenticate(ctx context.Context, r *Request, body []byte) (signature.Match, error) {
	tenant, a, known, err := p.find(ctx, r)
	if err != nil {
		return signature.Match{}, err
	}
	match, err := a.Authenticate(ctx, r, body)
	switch {
	case !known && err == nil:
		return signature.Match{}, errors.New("webhook: the tenant is unknown")
	case !known:
		return signature.Match{}, fmt.Errorf("webhook: the tenant %q is unknown: %w", shown(tenant), err)
	case err != nil:
		return signature.Match{}, fmt.Errorf("webhook: tenant %q: %w", shown(tenant), err)
	}
	match.Tenant = tenant
	return match, nil
}

// CauseTenantUnknown: the request is for a tenant that does not exist.
const CauseTenantUnknown diagnose.Cause = "tenant_unknown"

// explainTimeout is the maximum time for finding the keys that an explanation needs. They are usually in the cache.
const explainTimeout = time.Second

// Explain implements [Explainer].
func (p *perTenant) Explain(r *Request, body []byte) diagnose.Explanation {
	ctx, cancel := context.WithTimeout(context.Background(), explainTimeout)
	defer cancel()
	_, a, known, err := p.find(ctx, r)
	if err != nil {
		return diagnose.Explanation{Cause: diagnose.Unexplained, Text: "the keys of the tenant could not be looked up"}
	}
	e := diagnose.Explanation{Cause: diagnose.Unexplained}
	if x, ok := a.(Explainer); ok {
		e = x.Explain(r, body) // also for an unknown tenant, so that its response takes as long
	}
	if !known {
		e = diagnose.Explanation{Cause: CauseTenantUnknown, Text: "the tenant is unknown, so it has no keys: check the URL that the sender has, and that the tenant exists"}
	}
	return e
}
