package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/logtest"
	"github.com/aihooks/aihooks-go/webhook"
)

var errSend = errors.New("the service is down")

// A recorder records what a digest sends.
type recorder struct {
	digest *inbox.Digest
	log    logtest.LogBuffer
	start  time.Time

	mu     sync.Mutex
	send   func(context.Context) error // if set, decides the result of a call
	alerts []inbox.Alert
	times  []time.Duration // of the calls, since the start
}

// record returns a recorder for a digest with at most one alert in the given time. Zero is the default.
func record(t *testing.T, every time.Duration) *recorder {
	t.Helper()
	r := &recorder{start: time.Now()}
	var err error
	r.digest, err = inbox.NewDigest(r.call, &inbox.DigestOptions{Every: every, Logger: r.log.JSON(slog.LevelDebug)})
	require.NoError(t, err)
	return r
}

func (r *recorder) call(ctx context.Context, a inbox.Alert) error {
	r.mu.Lock()
	send := r.send
	kept := a
	kept.Groups = slices.Clone(a.Groups)
	r.alerts, r.times = append(r.alerts, kept), append(r.times, time.Since(r.start))
	r.mu.Unlock()
	clear(a.Groups) // an alert belongs to send, which may change it
	if send == nil {
		return nil
	}
	return send(ctx)
}

func (r *recorder) setSend(send func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.send = send
}

// sent returns the alerts, also those that failed, and when they were sent.
func (r *recorder) sent() ([]inbox.Alert, []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.alerts), slices.Clone(r.times)
}

// counts returns how many dead letters each alert had.
func (r *recorder) counts() []int {
	counts := []int{}
	alerts, _ := r.sent()
	for _, a := range alerts {
		counts = append(counts, a.Count)
	}
	return counts
}

func (r *recorder) close(t *testing.T) {
	t.Helper()
	require.NoError(t, r.digest.Close(t.Context()))
}

// entry returns a dead letter of a type.
func entry(eventType, text string) inbox.Entry {
	return inbox.Entry{
		ID: "entry of " + eventType, Delivery: &webhook.Delivery{Vendor: "workflux", Endpoint: "default", Type: eventType},
		Attempts: []inbox.Attempt{{Outcome: webhook.Failed, Error: text}},
	}
}

func (r *recorder) add(t *testing.T, n int) {
	t.Helper()
	for range n {
		r.digest.Add(t.Context(), entry("ping", "connection refused"))
	}
}

func TestNewDigest_RefusesInvalidOptions(t *testing.T) {
	send := func(context.Context, inbox.Alert) error { return nil }
	_, err := inbox.NewDigest(nil, nil)
	require.EqualError(t, err, "inbox: NewDigest: send must not be nil")
	for _, every := range []time.Duration{-time.Minute, time.Second - 1} {
		_, err := inbox.NewDigest(send, &inbox.DigestOptions{Every: every})
		require.EqualError(t, err, fmt.Sprintf("inbox: DigestOptions.Every (%v) must be at least 1s", every))
	}
	d, err := inbox.NewDigest(send, nil)
	require.NoError(t, err, "the options may be nil")
	require.NoError(t, d.Close(t.Context()))
}

// A burst must not be an alert about one dead letter now, and one about the rest five minutes later.
func TestDigest_SendsBurstAfterASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		defer r.close(t)
		time.Sleep(time.Hour)
		require.Empty(t, r.counts(), "there is nothing to send")
		for range 4 {
			r.add(t, 250)
			time.Sleep(200 * time.Millisecond)
		}
		time.Sleep(time.Second)
		alerts, times := r.sent()
		require.Equal(t, []int{1000}, r.counts())
		require.Equal(t, []time.Duration{time.Hour + time.Second}, times)
		require.Equal(t, time.Second, alerts[0].Period)
	})
}

func TestDigest_SendsOneAlertPerPeriod(t *testing.T) {
	for every, want := range map[time.Duration]time.Duration{0: 5 * time.Minute, time.Second: time.Second, time.Hour: time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			r := record(t, every)
			time.Sleep(time.Millisecond) // so that no dead letter arrives at the time of an alert
			for range 100 {
				r.add(t, 1)
				time.Sleep(want / 20)
			}
			r.close(t)
			sum := 0
			_, times := r.sent()
			for i, n := range r.counts() {
				sum += n
				if 0 < i && i < len(times)-1 { // the last one was sent by Close
					require.GreaterOrEqual(t, times[i]-times[i-1], want, "the time between two alerts")
					require.LessOrEqual(t, times[i]-times[i-1], want+want/20, "the next dead letter arrives within a twentieth")
					require.Greater(t, n, 15, "dead letters of the whole period are in one alert")
				}
			}
			require.Equal(t, 100, sum, "each dead letter is in one alert")
			require.Greater(t, len(times), 4, "alerts go on while dead letters arrive")
		})
	}
}

// The dead letters of a burst must not leave behind an empty alert that delays the next one.
func TestDigest_SendsSoonAfterQuietTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		defer r.close(t)
		r.add(t, 1)
		time.Sleep(500 * time.Millisecond)
		r.add(t, 2)
		time.Sleep(5*time.Minute + 2*time.Second)
		r.add(t, 1)
		time.Sleep(2 * time.Second)
		require.Equal(t, []int{3, 1}, r.counts(), "the second alert waits only for a second")
	})
}

func TestDigest_GroupsByCause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		add := func(vendor, endpoint, eventType, id, text string) {
			e := entry(eventType, text)
			e.ID, e.Delivery.Vendor, e.Delivery.Endpoint = id, vendor, endpoint
			r.digest.Add(t.Context(), e)
		}
		add("workflux", "eu", "b", "1", "no user 7")
		add("workflux", "default", "b", "2", "no user 8")
		add("workflux", "default", "a", "3", "no user 9")
		add("greenflash", "default", "a", "4", "no user 9")
		add("workflux", "default", "a", "5", "no user 10")
		add("workflux", "default", "a", "6", "no card 9")
		add("workflux", "default", "b", "7", "no user 11")
		add("workflux", "default", "a", "8", "no user 11")
		r.close(t)
		alerts, _ := r.sent()
		require.Equal(t, []inbox.AlertGroup{
			{Count: 3, Vendor: "workflux", Endpoint: "default", Type: "a", Error: "no user 9", EntryID: "3"},
			{Count: 2, Vendor: "workflux", Endpoint: "default", Type: "b", Error: "no user 8", EntryID: "2"},
			{Count: 1, Vendor: "workflux", Endpoint: "eu", Type: "b", Error: "no user 7", EntryID: "1"},
			{Count: 1, Vendor: "greenflash", Endpoint: "default", Type: "a", Error: "no user 9", EntryID: "4"},
			{Count: 1, Vendor: "workflux", Endpoint: "default", Type: "a", Error: "no card 9", EntryID: "6"},
		}, alerts[0].Groups, "the largest first, and each with its first dead letter")
		require.Equal(t, 8, alerts[0].Count)
		require.Zero(t, alerts[0].Others)
	})
}

func TestDigest_MergesWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		defer r.close(t)
		r.setSend(func(context.Context) error { time.Sleep(10 * time.Second); return errSend })
		r.add(t, 2)
		time.Sleep(2 * time.Second) // the call runs
		r.add(t, 3)
		r.digest.Add(t.Context(), entry("pong", "timeout"))
		time.Sleep(5*time.Minute + 30*time.Second)
		require.Equal(t, 2, r.log.Count(), "one line for each alert")
		require.Len(t, r.log.Lines(`"level":"ERROR"`, `"error":"the service is down"`, `"dead_letters":2`, `"alert":"2 dead letters in 1 s, 2 of workflux ping: connection refused"`), 1)
		r.setSend(nil)
		time.Sleep(5 * time.Minute)
		alerts, times := r.sent()
		require.Equal(t, []int{2, 6, 6}, r.counts(), "no dead letter is lost, and none counts twice")
		require.Equal(t, "6 dead letters in 10 min, 5 of workflux ping: connection refused\n1 of workflux pong: timeout", alerts[2].String())
		require.Equal(t, []time.Duration{time.Second, 311 * time.Second, 621 * time.Second}, times, "failures are no reason to send more often")
		time.Sleep(time.Hour)
		require.Len(t, r.counts(), 3, "an alert that was sent is not sent again")
	})
}

func TestDigest_RecoversPanic(t *testing.T) {
	for name, end := range map[string]func(){"panic: boom": func() { panic("boom") }, "the call ended its goroutine": runtime.Goexit} {
		synctest.Test(t, func(t *testing.T) {
			r := record(t, 0)
			defer r.close(t)
			r.setSend(func(context.Context) error { end(); return nil })
			r.add(t, 1)
			time.Sleep(time.Minute)
			require.Equal(t, 1, r.log.Count(`"level":"ERROR"`, `"error":"`+name+`"`, `"dead_letters":1`), "it is logged like an error: %s", r.log.String())
			r.setSend(nil)
			time.Sleep(5 * time.Minute)
			require.Equal(t, []int{1, 1}, r.counts(), "the dead letter is in the next alert")
		})
	}
}

func TestDigest_SurvivesSendThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		returns := make(chan struct{})
		r.setSend(func(ctx context.Context) error {
			end, ok := ctx.Deadline()
			require.True(t, ok, "a call has a timeout")
			require.Equal(t, 30*time.Second, time.Until(end))
			<-returns
			return nil
		})
		r.add(t, 1)
		for range 20 {
			time.Sleep(time.Minute)
			begin := time.Now()
			r.add(t, 1)
			require.Zero(t, time.Since(begin), "Add does not wait for send")
		}
		require.Equal(t, []int{1}, r.counts(), "no second call begins while one runs")
		require.Equal(t, 4, r.log.Count(), "one line for each alert that was due, in 20 minutes")
		require.Equal(t, 1, r.log.Count("no result within 30s", `"dead_letters":1`))
		require.Equal(t, 1, r.log.Count("the last call has not returned", `"dead_letters":16`))
		r.setSend(nil)
		close(returns)
		time.Sleep(5 * time.Minute)
		require.Equal(t, []int{1, 21}, r.counts(), "all dead letters are in the alert after it")
		r.close(t)
	})
}

func TestDigest_BoundsGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		r.setSend(func(context.Context) error { time.Sleep(10 * time.Second); return errSend })
		added := 0
		addRare := func(n int) {
			for range n {
				added++
				r.digest.Add(t.Context(), entry(fmt.Sprint("type ", added), "rare"))
			}
		}
		addRare(200)
		for range 100 {
			r.add(t, 1)
			addRare(30)
		}
		time.Sleep(5 * time.Second)
		addRare(300) // during the call, so that two full batches are merged
		time.Sleep(10 * time.Second)
		r.setSend(nil)
		r.close(t)
		alerts, _ := r.sent()
		for i, want := range []int{3300, 3600} {
			a := alerts[i]
			require.Len(t, a.Groups, 100, "the number of groups is bounded")
			require.Equal(t, "ping", a.Groups[0].Type)
			require.Equal(t, 100, a.Groups[0].Count, "a frequent cause is counted in full, even if it begins after many rare ones")
			require.Equal(t, want, a.Count, "what is left out is counted")
			require.Equal(t, want-199, a.Others)
		}
		require.Equal(t, "type 3500", alerts[1].Groups[99].Type, "the oldest of the smallest are left out first")
	})
}

func TestDigest_LeavesOutSmallestGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		for i := range 100 {
			for range 2 {
				r.digest.Add(t.Context(), entry(fmt.Sprint("type ", i), "twice"))
			}
		}
		r.add(t, 1)
		r.close(t)
		alerts, _ := r.sent()
		require.Len(t, alerts[0].Groups, 100)
		for _, g := range alerts[0].Groups {
			require.Equal(t, 2, g.Count, "a single dead letter replaces no larger group")
		}
		require.Equal(t, 1, alerts[0].Others)
		require.Equal(t, 201, alerts[0].Count)
	})
}

// Under the race detector, this also shows that concurrent calls are safe.
func TestDigest_CountsConcurrentDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var log logtest.LogBuffer
		sent, calls, first := 0, 0, make(chan struct{})
		d, err := inbox.NewDigest(func(_ context.Context, a inbox.Alert) error {
			mu.Lock()
			defer mu.Unlock()
			if calls++; calls == 1 {
				close(first)
				return errSend
			}
			sent += a.Count
			return nil
		}, &inbox.DigestOptions{Every: time.Second, Logger: log.Text()})
		require.NoError(t, err)
		var adds sync.WaitGroup
		for i := range 8 {
			adds.Go(func() {
				for j := range 250 {
					d.Add(t.Context(), entry(strings.Repeat("x", i), fmt.Sprint("failure ", j)))
					if j == 125 {
						<-first // the first alert is sent meanwhile
					}
				}
			})
		}
		adds.Wait()
		require.NoError(t, d.Close(t.Context()))
		require.Equal(t, 2000, sent, "each dead letter is in one alert that was sent")
	})
}
