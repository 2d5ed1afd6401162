//go:build unix

package crashtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// An endpoint records when each delivery arrives, and responds with the status of response.
type endpoint struct {
	mu       sync.Mutex
	arrived  map[string][]time.Time
	response func(vendor string, n int) int // to the nth attempt
}

func (d *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	_, rest, _ := strings.Cut(string(body), `"torture":"`)
	name, _, _ := strings.Cut(rest, `"`)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.arrived[name] = append(d.arrived[name], time.Now())
	w.WriteHeader(d.response(strings.Split(r.URL.Path, "/")[2], len(d.arrived[name])))
}

func sendTo(t *testing.T, n int, response func(vendor string, n int) int) (*Sender, *endpoint) {
	t.Helper()
	d := &endpoint{arrived: make(map[string][]time.Time), response: response}
	server := httptest.NewServer(d)
	t.Cleanup(server.Close)
	fleet := &Fleet{slots: []*slot{{address: strings.TrimPrefix(server.URL, "http://")}}}
	s := &Sender{Deliveries: Deliveries(n), Fleet: fleet, Minute: 5 * time.Millisecond, Rate: 1000}
	s.Send()
	return s, d
}

func TestSender_FollowsScheduleAndGivesUp(t *testing.T) {
	began := time.Now()
	s, d := sendTo(t, 16, func(string, int) int { return http.StatusServiceUnavailable })
	for _, delivery := range s.Deliveries {
		times := 1
		if delivery.concurrent {
			times = 2
		}
		arrived := d.arrived[delivery.Name]
		require.Len(t, arrived, times*len(delivery.schedule.Attempts), "%s, by %q", delivery.Name, delivery.schedule.Name)
		require.Zero(t, delivery.Accepted())
		last := len(delivery.schedule.Attempts) - 1
		require.GreaterOrEqual(t, arrived[len(arrived)-1].Sub(began), delivery.at(last, s.Minute), delivery.Name)
	}
}

func TestSender_StopsAfter200(t *testing.T) {
	s, d := sendTo(t, 80, func(string, int) int { return http.StatusOK })
	for _, delivery := range s.Deliveries {
		times := 1
		if delivery.concurrent || delivery.ignoresFirst && len(delivery.schedule.Attempts) > 1 {
			times = 2
		}
		require.Len(t, d.arrived[delivery.Name], times, delivery.Name)
		require.Equal(t, times, delivery.Accepted(), delivery.Name)
	}
}

func TestSender_StopsAfter400WhereVendorDoes(t *testing.T) {
	s, d := sendTo(t, 8, func(string, int) int { return http.StatusBadRequest })
	for _, delivery := range s.Deliveries {
		stops := delivery.Vendor == "convosphere" || delivery.Vendor == "workflux"
		if stops || len(delivery.schedule.Attempts) == 1 {
			require.Len(t, d.arrived[delivery.Name], 1, delivery.Name)
		} else {
			require.Greater(t, len(d.arrived[delivery.Name]), 1, delivery.Name)
		}
	}
}

func TestDeliveries_DifferAndVaryInLength(t *testing.T) {
	long, names := 0, make(map[string]bool)
	for _, d := range Deliveries(400) {
		names[d.Name] = true
		require.Contains(t, string(d.body), d.Name)
		if len(d.body) >= padded {
			long++
		}
	}
	require.Len(t, names, 400)
	require.InDelta(t, 100, long, 50)
}
