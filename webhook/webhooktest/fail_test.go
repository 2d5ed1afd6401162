package webhooktest_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

var discard = slog.New(slog.DiscardHandler)

func TestSender_ReportsWhatItCannotSend(t *testing.T) {
	for sentence, f := range map[string]func(s *webhooktest.Sender){
		`webhooktest: convosphere has no sample "message.moved"; it has message.created, message.completed, conversation.started, conversation.ended, user.feedback, error.occurred`: func(s *webhooktest.Sender) { s.Sample("message.moved") },
		`webhooktest: *greenflash.ConversationStarted is not an event of convosphere`:                                                                                                func(s *webhooktest.Sender) { s.Event(&greenflash.ConversationStarted{}) },
		`webhooktest: *convosphere.UserFeedback is not an event of convosphere of the type "message.created"`: func(s *webhooktest.Sender) {
			s.Event(&convosphere.UserFeedback{Event: webhook.Event{Type: "message.created"}})
		},
		`webhooktest: the event is nil`: func(s *webhooktest.Sender) { s.Event((*convosphere.UserFeedback)(nil)) },
		`webhooktest: convosphere cannot send: signature: form "other" is unknown; the forms are ["body"]`: func(s *webhooktest.Sender) { s.WithForm("other") },
		`webhooktest: convosphere cannot send: signature: the secret of key "sender" is blank`:             func(s *webhooktest.Sender) { s.WithSecret(" ") },
		`webhooktest: the path "hooks" must begin with a slash`:                                            func(s *webhooktest.Sender) { s.WithPath("hooks") },
		`webhooktest: the schedule "mine" must have at least one attempt, and its attempts must be in order`: func(s *webhooktest.Sender) {
			s.WithSchedule(webhooktest.Schedule{Name: "mine", Attempts: webhooktest.Minutes(1, 0)})
		},
		`webhooktest: SendCopies: n (1) must be at least m (2), and m at least 1`:   func(s *webhooktest.Sender) { s.SendCopies(s.Raw(nil), 1, 2) },
		`webhooktest: SendOutOfOrder must have at least one delivery`:               func(s *webhooktest.Sender) { s.SendOutOfOrder() },
		`webhooktest: Process: the receiver must be a webhook.Handler or embed one`: func(s *webhooktest.Sender) { s.Process(s.Raw(nil)) },
	} {
		failsWith(t, sentence, func(t testing.TB) { f(convospheretest.NewSender(t, &recorder{}, secret)) })
	}
	failsWith(t, "webhooktest: the handler is nil", func(t testing.TB) { convospheretest.NewSender(t, nil, secret) })
	failsWith(t, "webhooktest: the address of the receiver must be a URL with a scheme and a host",
		func(t testing.TB) { convospheretest.NewSenderTo(t, "localhost/webhooks", secret) })
	failsWith(t, "webhooktest: emberqa signs nothing, so a receiver cannot detect a tampered delivery", func(t testing.TB) {
		s := emberqatest.NewSender(t, &recorder{}, secret)
		s.SendTampered(s.Sample("red_flag"))
	})
}

func TestWant_ReportsUnwantedResponse(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(w http.ResponseWriter, _ *http.Request, n int) {
			time.Sleep(time.Second)
			w.WriteHeader([]int{401, 500, 200, 200}[min(n, 3)])
			fmt.Fprintln(w, `{"received":false}`)
		}}
		var d *webhooktest.Delivery
		failsWith(t, "convosphere: the delivery ID of user.feedback must get the status 200, but got 401 after 1s: {\"received\":false}", func(t testing.TB) {
			s := convospheretest.NewSender(t, r, secret)
			d = s.Sample("user.feedback")
			d.ID = "ID"
			s.Send(d).WantOK()
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback must get the statuses [200 200], but got [500 200]; response 1 was 500 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).SendTwice(d).Want(200, 200)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback must get the statuses [500 200], but got [200]; response 1 was 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Deliver(d).Want(500, 200)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback must get the status 401 or 503, but got 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Send(d).Want(401, 503)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback must get no response, but got 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Send(d).WantNone()
		})
		r.respond = responding(500)
		require.Len(t, failing(t, func(t testing.TB) { convospheretest.NewSender(t, r, secret).SendTwice(d).WantOK() }), 2)
	})
}

func TestWant_ReportsMissingResponse(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{respond: func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }}
		failsWith(t, "greenflash: the delivery ID of conversation.rating must get the status 200, but got no response after 5s: "+
			"the vendor waits for 5s only: context deadline exceeded", func(t testing.TB) {
			s := greenflashtest.NewSender(t, r, secret)
			d := s.Sample("conversation.rating")
			d.ID = "ID"
			s.Send(d).WantOK()
		})
	})
}

func TestWant_IncludesExplanationOfHandler(t *testing.T) {
	hook, err := convosphere.NewHandler(secret, quietly())
	require.NoError(t, err)
	says := failing(t, func(t testing.TB) {
		s := convospheretest.NewSender(t, hook, "another secret")
		d := s.Sample("user.feedback")
		s.Send(d).WantOK()
		now := time.Now()
		r := s.Request(d)
		t.Errorf("%v", hook.Explain(webhook.Request{URL: r.URL, Header: r.Header, Body: r.Body}, now))
	})
	require.Len(t, says, 2)
	require.NotEmpty(t, says[1])
	require.True(t, strings.HasSuffix(says[0], "\n"+says[1]), says[0])
	require.NotContains(t, says[0], "another secret")
}

func TestSender_HidesTokenInMessages(t *testing.T) {
	says := failing(t, func(t testing.TB) {
		s := emberqatest.NewSenderTo(t, "http://127.0.0.1:1/hooks", "THE-TOKEN")
		s.Send(s.Sample("red_flag")).WantOK()
		s = emberqatest.NewSender(t, &recorder{respond: func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) }}, "THE-TOKEN")
		s.Send(s.Sample("red_flag")).WantOK()
		fmt.Fprintf(t.Output(), "%v %+v", s, s)
		emberqatest.NewSender(t, &recorder{}, "THE-TOKEN\n")
	})
	require.Len(t, says, 3)
	for _, sentence := range says {
		require.NotContains(t, sentence, "THE-TOKEN")
	}
	require.Equal(t, "webhooktest: emberqa cannot send: net/url: invalid control character in URL", says[2])
}

func TestSender_FailsOnUnfinishedRequest(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		release := make(chan struct{})
		failsWith(t, "webhooktest: a request is still being handled 10s after the end of the test", func(t testing.TB) {
			s := convospheretest.NewSender(t, &recorder{respond: func(http.ResponseWriter, *http.Request, int) { <-release }}, secret)
			s.Send(s.Sample("user.feedback")).WantNone()
		})
		close(release)
	})
}

func TestSender_PrintsHandlerPanic(t *testing.T) {
	fake := &fakeT{TB: t}
	s := convospheretest.NewSender(fake, &recorder{respond: func(http.ResponseWriter, *http.Request, int) { panic("out of cheese") }}, secret)
	s.Send(s.Sample("user.feedback")).WantNone()
	fake.cleanups[0]()
	require.Contains(t, fake.output.String(), "out of cheese")
	require.Empty(t, fake.says)
}

func TestSender_HidesItsSecret(t *testing.T) {
	s := convospheretest.NewSender(t, &recorder{}, "OPEN-SESAME")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", s, s, s), "OPEN-SESAME")
}

// A bearer is the Authenticator of a vendor that a user has added.
type bearer struct{}

func (bearer) Authenticate(_ context.Context, r *vendors.Request, _ []byte) (signature.Match, error) {
	if r.Header.Get("Authorization") != "Bearer "+secret {
		return signature.Match{}, signature.Mismatch
	}
	return signature.Match{Key: "default"}, nil
}

func TestSender_FailsWhenItCannotMisbehave(t *testing.T) {
	profile := profile
	profile.RespondWithin, profile.Attempts, profile.DedupKeys = 5*time.Second, 1, vendors.ByContent
	h, err := webhook.NewHandler(profile, vendors.HandlerConfig{Authenticator: bearer{}}, &webhook.Options{Logger: discard})
	require.NoError(t, err)
	acme := webhooktest.Vendor{Profile: profile}
	withHeader := func(s *webhooktest.Sender, body string, header http.Header) *webhooktest.Delivery {
		d := s.Raw([]byte(body))
		d.Header = header
		return d
	}
	ours := http.Header{"Authorization": {"Bearer " + secret}}
	const undated = "has no time that a wrong clock changes"
	for name, c := range map[string]struct {
		sender func(t testing.TB) *webhooktest.Sender
		send   func(s *webhooktest.Sender)
		says   string
	}{
		"a forgery without a scheme": {nil, func(s *webhooktest.Sender) { s.SendForged(withHeader(s, `{"type":"opened"}`, ours)) }, "cannot be forged"},
		"a late one without a time":  {nil, func(s *webhooktest.Sender) { s.SendLate(withHeader(s, `{"type":"opened"}`, ours), time.Hour) }, undated},
		"a clock without a time":     {nil, func(s *webhooktest.Sender) { s.WithClock(time.Hour).Send(withHeader(s, `{"type":"opened"}`, ours)) }, undated},
		"a clock, twice at once": {nil, func(s *webhooktest.Sender) {
			s.WithClock(time.Hour).SendTwiceAtOnce(withHeader(s, `{"type":"opened"}`, ours))
		}, undated},
		"a clock, by Process":             {nil, func(s *webhooktest.Sender) { s.WithClock(time.Hour).Process(withHeader(s, `{}`, ours)) }, undated},
		"another secret without a scheme": {nil, func(s *webhooktest.Sender) { s.WithSecret("another") }, "acme has no secret"},
		"a form without a scheme":         {nil, func(s *webhooktest.Sender) { s.WithForm("body") }, "acme signs nothing"},
		"a signature that Header replaces": {toConvosphere, func(s *webhooktest.Sender) {
			s.SendForged(withHeader(s, `{}`, http.Header{"X-Convosphere-Signature": {"mine"}}))
		}, "cannot be forged"},
		"a URL without its token": {func(t testing.TB) *webhooktest.Sender { return emberqatest.NewSender(t, &recorder{}, "") },
			func(s *webhooktest.Sender) { s.SendForged(s.Sample("red_flag")) }, "cannot be forged"},
		"a late raw body": {toConvosphere, func(s *webhooktest.Sender) {
			s.SendLate(s.Raw([]byte(`{"timestamp":"2026-11-02T12:00:00Z"}`)), time.Hour)
		}, undated},
		"a late one that was sent in time": {toConvosphere, func(s *webhooktest.Sender) {
			d := s.Sample("user.feedback")
			s.Send(d)
			s.SendLate(d, time.Hour)
		}, undated},
	} {
		t.Run(name, func(t *testing.T) {
			says := failing(t, func(t testing.TB) {
				sender := c.sender
				if sender == nil {
					sender = func(t testing.TB) *webhooktest.Sender { return acme.NewSender(t, h, "") }
				}
				c.send(sender(t))
			})
			require.NotEmpty(t, says)
			require.Contains(t, says[0], c.says)
			require.NotContains(t, strings.Join(says, "\n"), secret)
		})
	}
}

func toConvosphere(t testing.TB) *webhooktest.Sender {
	return convospheretest.NewSender(t, &recorder{}, secret)
}

func TestSender_MisbehavesWhereItCan(t *testing.T) {
	greenflash := greenflashtest.NewSender(t, &recorder{}, secret)
	greenflash.WithClock(time.Nanosecond).Send(greenflash.Sample("conversation.rating")).WantOK()
	raw := greenflash.Raw([]byte("{}")) // the header has the time
	greenflash.SendLate(raw, time.Hour).WantOK()
	greenflash.SendForged(raw).WantOK()
	convosphere := toConvosphere(t)
	late := convosphere.WithClock(-time.Hour)
	d := convosphere.Sample("user.feedback")
	late.SendTwice(d).WantOK()
	convosphere.Send(d).WantOK() // a retry with a correct clock
	late.SendOutOfOrder(convosphere.Sample("user.feedback"), convosphere.Sample("user.feedback")).WantOK()
}
