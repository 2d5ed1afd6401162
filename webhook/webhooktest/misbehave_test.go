package webhooktest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func TestSendTwiceAtOnce_OverlapsRequests(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		for range 50 {
			r := &recorder{}
			sender := convospheretest.NewSender(t, r, secret)
			sender.SendTwiceAtOnce(sender.Sample("user.feedback")).WantOK()
			got := r.all()
			require.Len(t, got, 2)
			require.Equal(t, got[0].body, got[1].body)
			require.Equal(t, 2, r.together)
		}
	})
}

func TestSendTwiceAtOnce_SendsBothToSerialHandler(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{}
		one := make(chan struct{}, 1)
		sender := convospheretest.NewSender(t, http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
			one <- struct{}{}
			defer func() { <-one }()
			r.ServeHTTP(w, request)
		}), secret)
		sender.SendTwiceAtOnce(sender.Sample("user.feedback")).WantOK()
		require.Len(t, r.all(), 2)
	})
}

func TestSendTwice_SendsOneAfterAnother(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(http.ResponseWriter, *http.Request, int) { time.Sleep(time.Second) }}
		sender := convospheretest.NewSender(t, r, secret)
		sender.SendTwice(sender.Sample("user.feedback")).WantOK()
		got := r.all()
		require.Len(t, got, 2)
		require.Equal(t, got[0].body, got[1].body)
		require.Equal(t, time.Second, got[1].at.Sub(got[0].at))
		require.Equal(t, 1, r.together)
	})
}

func TestSendCopies_LimitsConcurrentSenders(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(http.ResponseWriter, *http.Request, int) { time.Sleep(time.Second) }}
		sender := convospheretest.NewSender(t, r, secret)
		responses := sender.SendCopies(sender.Sample("user.feedback"), 7, 3)
		responses.WantOK()
		require.Len(t, responses, 7)
		require.Equal(t, 3, r.together)
		began := r.all()[0].at
		var after []time.Duration
		for _, a := range r.all() {
			require.Equal(t, r.all()[0].body, a.body)
			after = append(after, a.at.Sub(began))
		}
		require.Equal(t, []time.Duration{0, 0, 0, time.Second, time.Second, time.Second, 2 * time.Second}, after)
	})
}

func TestSendOutOfOrder_SendsLastFirst(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: responding(200, 500, 503)}
		sender := workfluxtest.NewSender(t, r, secret)
		started, message, ended := sender.Sample("conversation.started"), sender.Sample("user.message"), sender.Sample("conversation.completed")
		now := time.Now().UTC()
		sender.SendOutOfOrder(started, message, ended).Want(503, 500, 200)
		got := r.all()
		for i, d := range []*webhooktest.Delivery{ended, message, started} {
			require.Equal(t, string(d.Body), got[i].body)
			require.Contains(t, got[i].body, now.Add(-time.Duration(i)*time.Second).Format(time.RFC3339))
		}
	})
}

func TestSendLate_SignsEarlierAndArrivesNow(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{}
		sender := greenflashtest.NewSender(t, r, secret)
		sender.SendLate(sender.Sample("conversation.rating"), 10*time.Minute).WantOK()
		sender.WithClock(-time.Minute).SendLate(sender.Sample("conversation.rating"), 10*time.Minute).WantOK()
		sender.WithClock(time.Hour).Send(sender.Sample("conversation.rating")).WantOK()
		for i, ago := range []time.Duration{10 * time.Minute, 11 * time.Minute, -time.Hour} {
			got := r.all()[i]
			signed := time.Now().Add(-ago)
			require.Equal(t, signed.Unix(), unix(t, got.header.Get("X-Greenflash-Timestamp")))
			require.Contains(t, got.body, signed.UTC().Format(time.RFC3339))
			require.Equal(t, time.Now(), got.at)
		}
	})
}

func TestSendSlowly_TakesGivenTime(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{}
		sender := convospheretest.NewSender(t, r, secret)
		response := sender.SendSlowly(sender.Sample("user.feedback"), 20*time.Second) // longer than the sender waits for the response
		response.WantOK()
		got := r.all()[0]
		require.NoError(t, got.err)
		require.Equal(t, 20*time.Second, got.read.Sub(got.at))
		require.Equal(t, 20*time.Second, response.Took)

		var pieces []time.Duration
		sender = convospheretest.NewSender(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			began := time.Now()
			for {
				n, err := r.Body.Read(make([]byte, 1<<20))
				if n > 0 {
					pieces = append(pieces, time.Since(began))
				}
				if err != nil {
					return
				}
			}
		}), secret)
		long := sender.Raw(bytes.Repeat([]byte(" "), 1000))
		sender.SendSlowly(long, 10*time.Second).WantOK()
		var want []time.Duration
		for i := range 10 {
			want = append(want, time.Duration(i+1)*time.Second)
		}
		require.Equal(t, want, slices.Compact(pieces))
		sender.SendSlowly(sender.Raw(nil), time.Second).WantOK()
		require.Equal(t, time.Second, sender.SendSlowly(sender.Raw(bytes.Repeat([]byte(" "), 1<<20)), time.Second).Took)
	})
}

func TestSendTruncated_EndsMidBody(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		handled := false
		r := &recorder{respond: func(http.ResponseWriter, *http.Request, int) {
			time.Sleep(time.Second)
			handled = true
		}}
		sender := convospheretest.NewSender(t, r, secret)
		d := sender.Sample("user.feedback")
		response := sender.SendTruncated(d)
		require.True(t, handled, "it must return after the handler")
		require.EqualError(t, response.Err, "the sender dropped the connection in the middle of the body, as intended")
		response.WantNone()
		got := r.all()[0]
		require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
		require.Equal(t, string(d.Body[:len(d.Body)/2]), got.body)
	})
}

func TestSendAndHangUp_EndsRequestContext(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(_ http.ResponseWriter, r *http.Request, _ int) {
			<-r.Context().Done()
			time.Sleep(time.Second)
		}}
		sender := convospheretest.NewSender(t, r, secret)
		d := sender.Sample("user.feedback")
		response := sender.SendAndHangUp(d)
		require.EqualError(t, response.Err, "the sender dropped the connection before it read the response, as intended")
		got := r.all()[0]
		require.NoError(t, got.err)
		require.Equal(t, string(d.Body), got.body)
		require.True(t, got.ended)

		r.respond = responding(200) // a handler that returns at once
		sender.SendAndHangUp(d).WantNone()
		require.Len(t, r.all(), 2)
	})
}

func TestDeliver_FollowsEachSchedule(t *testing.T) {
	for name, v := range map[string]webhooktest.Vendor{
		"greenflash": greenflashtest.Vendor(), "convosphere": convospheretest.Vendor(), "workflux": workfluxtest.Vendor(),
	} {
		for i, schedule := range append(v.Schedules, webhooktest.Schedule{Name: "mine", Attempts: webhooktest.Minutes(5, 7)}) {
			kit.OnADay(t, func(t *testing.T) {
				r := &recorder{respond: responding(503)}
				sender := v.NewSender(t, r, secret)
				if i > 0 {
					sender = sender.WithSchedule(schedule)
				}
				began := time.Now()
				responses := sender.Deliver(sender.Samples()[0])
				require.Len(t, responses, len(schedule.Attempts), name)
				var at []time.Duration
				for _, a := range r.all() {
					require.Equal(t, r.all()[0].body, a.body)
					at = append(at, a.at.Sub(began))
				}
				require.Equal(t, schedule.Attempts, at, "%s: %s", name, schedule.Name)
			})
		}
	}
}

func TestDeliver_StopsAtFinalResponse(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(w http.ResponseWriter, _ *http.Request, n int) {
			if n == 1 {
				panic(http.ErrAbortHandler) // no response
			}
			w.Header().Set("Retry-After", "3600")
			w.WriteHeader([]int{503, 0, 429, 404}[n])
		}}
		sender := convospheretest.NewSender(t, r, secret)
		responses := sender.Deliver(sender.Sample("user.feedback"))
		responses.Want(503, 0, 429, 404)
		require.Equal(t, time.Hour, responses[0].RetryAfter)

		none := webhooktest.Vendor{Profile: convospheretest.Vendor().Profile}
		sender = none.NewSender(t, &recorder{respond: responding(404, 302, 299)}, secret)
		sender = sender.WithSchedule(webhooktest.Schedule{Attempts: webhooktest.Minutes(0, 0, 0, 0, 0)})
		sender.Deliver(sender.Raw([]byte(`{}`))).Want(404, 302, 299)
	})
}

func TestSend_ReturnsRedirection(t *testing.T) {
	r := &recorder{respond: func(w http.ResponseWriter, r *http.Request, _ int) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}}
	sender := convospheretest.NewSender(t, r, secret)
	sender.Send(sender.Sample("user.feedback")).Want(http.StatusFound)
	require.Len(t, r.all(), 1)
}

func TestSender_MisbehavesTowardURL(t *testing.T) {
	r := &recorder{}
	server := httptest.NewServer(r)
	sender := convospheretest.NewSenderTo(t, server.URL+"/hooks", secret)
	d := sender.Sample("user.feedback")
	sender.SendTwiceAtOnce(d).WantOK()
	slowly := 0
	require.Eventually(t, func() bool { // on a busy machine the receiver may get all pieces at once
		sender.SendSlowly(d, 50*time.Millisecond).WantOK()
		slowly++
		last := r.all()[1+slowly]
		return last.read.Sub(last.at) >= 25*time.Millisecond
	}, time.Minute, time.Millisecond)
	sender.SendTruncated(d).WantNone()
	sender.SendTampered(d).WantOK()
	require.Eventually(t, func() bool { return len(r.all()) == 4+slowly }, time.Minute, time.Millisecond) // server.Close drops requests that have not begun
	server.Close()
	cut := 0
	for _, a := range r.all() {
		if a.err != nil {
			cut++
			require.True(t, strings.HasPrefix(string(d.Body), a.body))
		}
	}
	require.Equal(t, 1, cut)
	says := failing(t, func(t testing.TB) { convospheretest.NewSenderTo(t, server.URL, secret).SendAndHangUp(d).WantOK() })
	require.Contains(t, says[0], "refused")
}

func TestSendAndHangUp_EndsRequestContextOverURL(t *testing.T) {
	ended := make(chan struct{})
	r := &recorder{respond: func(_ http.ResponseWriter, r *http.Request, _ int) {
		<-r.Context().Done()
		ended <- struct{}{}
	}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	sender := convospheretest.NewSenderTo(t, server.URL, secret)
	for i := range 100 {
		d := sender.Sample("user.feedback")
		sender.SendAndHangUp(d).WantNone()
		<-ended
		require.Equal(t, string(d.Body), r.all()[i].body)
	}
}

func unix(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	require.NoError(t, err)
	return n
}
