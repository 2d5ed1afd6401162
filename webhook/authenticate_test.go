package webhook_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

type tenantKey struct{}

// authenticated returns a receiver whose Authenticator is f.
func authenticated(t *testing.T, f vendors.AuthenticatorFunc) *receiver {
	t.Helper()
	r := newReceiver(t, webhook.Options{})
	o := webhook.Options{
		Logger:   r.log.JSON(0),
		Observer: func(_ context.Context, seen webhook.Observation) { r.observed = append(r.observed, seen) },
	}
	h, err := webhook.NewHandler(acme(), vendors.HandlerConfig{Authenticator: f}, &o)
	require.NoError(t, err)
	r.Handler = h
	ping.On(h, returns(nil))
	return r
}

func TestAuthenticator_UnavailableIsNotForged(t *testing.T) {
	for name, err := range map[string]error{
		"bare":              vendors.ErrUnavailable,
		"wrapped":           fmt.Errorf("tenants: %w: %w", vendors.ErrUnavailable, errors.New("sql: database is closed")),
		"joined":            errors.Join(signature.Mismatch, vendors.ErrUnavailable),
		"deadline exceeded": fmt.Errorf("tenants: %w", context.DeadlineExceeded),
		"canceled":          context.Canceled,
	} {
		for _, way := range []string{"ServeHTTP", "Process"} {
			t.Run(name+"/"+way, func(t *testing.T) {
				down := true
				r := authenticated(t, func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
					if down {
						return signature.Match{}, err
					}
					return signature.Match{Key: "tenant"}, nil
				})
				r.onSocket = way == "ServeHTTP"
				got := r.deliver(body("a"))
				require.Equal(t, http.StatusServiceUnavailable, got.status)
				require.Positive(t, retryAfter(t, got))
				require.JSONEq(t, `{"received":false}`, got.body)
				seen := r.observations()[0]
				require.Equal(t, webhook.Unavailable, seen.Outcome)
				require.Equal(t, webhook.ReasonAuthenticator, seen.Reason)
				require.ErrorIs(t, seen.Err, err)
				require.Equal(t, 1, r.log.Count(`"level":"ERROR"`, `"reason":"authenticator"`))
				require.Equal(t, diagnose.Cause(webhook.ReasonAuthenticator), r.Explain(r.request(body("a")), time.Time{}).Cause)

				down = false
				require.Equal(t, http.StatusOK, r.deliver(body("a")).status, "the next attempt is handled")
			})
		}
	}
}

func TestAuthenticator_OtherErrorsAreForged(t *testing.T) {
	for _, err := range []error{signature.Mismatch, errors.New("no such tenant"), &http.MaxBytesError{}, errors.New("unavailable")} {
		r := authenticated(t, func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
			return signature.Match{}, err
		})
		require.Equal(t, http.StatusUnauthorized, r.deliver(body("a")).status, err)
	}
}

// The context of a lookup ends in time, and it has the values of the request's context.
func TestAuthenticator_ContextEndsAndHasValues(t *testing.T) {
	for _, way := range []string{"ServeHTTP", "Process"} {
		t.Run(way, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := authenticated(t, func(ctx context.Context, _ *vendors.Request, _ []byte) (signature.Match, error) {
					require.Equal(t, "eu", ctx.Value(tenantKey{}))
					<-ctx.Done()
					return signature.Match{}, ctx.Err()
				})
				r.onSocket = way == "ServeHTTP"
				ctx := context.WithValue(t.Context(), tenantKey{}, "eu")
				request, start := r.signed(body("a")), time.Now()
				require.Equal(t, http.StatusServiceUnavailable, r.send(request.WithContext(ctx)).status)
				require.Equal(t, webhook.DefaultStoreTimeout, time.Since(start))

				ctx, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
				defer cancel()
				request, start = r.signed(body("a")), time.Now()
				require.Equal(t, http.StatusServiceUnavailable, r.send(request.WithContext(ctx)).status)
				require.Equal(t, 75*time.Millisecond, time.Since(start))
			})
		})
	}
}

func TestAuthenticator_PanicIsReported(t *testing.T) {
	for name, f := range map[string]func(){"panic": func() { panic("no tenants") }, "error": func() { panic(errors.New("no tenants")) }} {
		t.Run(name, func(t *testing.T) {
			r := authenticated(t, func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
				f()
				return signature.Match{}, nil
			})
			got := r.deliver(body("a"))
			require.Equal(t, http.StatusInternalServerError, got.status)
			require.NotContains(t, got.body, "tenants")
			require.Equal(t, webhook.ReasonPanic, r.observations()[0].Reason)
			require.Equal(t, 1, r.log.Count(`"outcome":"failed"`, `"reason":"panic"`, "authenticate_test.go"))
		})
	}
}

// Any sender can cause these lines, so they are sampled.
func TestAuthenticator_LinesAreSampled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := authenticated(t, func(context.Context, *vendors.Request, []byte) (signature.Match, error) {
			return signature.Match{}, vendors.ErrUnavailable
		})
		for range 100 {
			r.deliver(body("a"))
		}
		require.Less(t, r.log.Count("authenticator"), 10)
		require.Len(t, r.observations(), 100)
	})
}
