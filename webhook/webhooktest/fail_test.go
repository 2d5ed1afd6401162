package webhooktest_test

import (
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
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

var discard = slog.New(slog.DiscardHandler)

func TestWhatCannotBeSentIsFatalInOneSentence(t *testing.T) {
	for sentence, f := range map[string]func(s *webhooktest.Sender){
		`webhooktest: convosphere has no sample "message.moved"; there are message.created, message.completed, conversation.started, conversation.ended, user.feedback, error.occurred`: func(s *webhooktest.Sender) { s.Sample("message.moved") },
		`webhooktest: *greenflash.ConversationStarted is no event of convosphere`:                                                                                                       func(s *webhooktest.Sender) { s.Event(&greenflash.ConversationStarted{}) },
		`webhooktest: *convosphere.UserFeedback is no event of convosphere of the type "message.created"`: func(s *webhooktest.Sender) {
			s.Event(&convosphere.UserFeedback{Event: webhook.Event{Type: "message.created"}})
		},
		`webhooktest: the event is nil`: func(s *webhooktest.Sender) { s.Event((*convosphere.UserFeedback)(nil)) },
		`webhooktest: convosphere cannot send: signature: there is no form "other"; the forms are ["body"]`: func(s *webhooktest.Sender) { s.WithForm("other") },
		`webhooktest: convosphere cannot send: signature: the secret of key "sender" is blank`:              func(s *webhooktest.Sender) { s.WithSecret(" ") },
		`webhooktest: the path "hooks" must begin with a slash`:                                             func(s *webhooktest.Sender) { s.WithPath("hooks") },
		`webhooktest: the attempts of the schedule "mine" must be in order, and at least one`: func(s *webhooktest.Sender) {
			s.WithSchedule(webhooktest.Schedule{Name: "mine", Attempts: webhooktest.Minutes(1, 0)})
		},
		`webhooktest: 1 copies cannot be sent by 2 senders`:       func(s *webhooktest.Sender) { s.SendCopies(s.Raw(nil), 1, 2) },
		`webhooktest: there is no delivery to send`:               func(s *webhooktest.Sender) { s.SendOutOfOrder() },
		`webhooktest: the sender is not one to a webhook.Handler`: func(s *webhooktest.Sender) { s.Process(s.Raw(nil)) },
	} {
		failsWith(t, sentence, func(t testing.TB) { f(convospheretest.NewSender(t, &recorder{}, secret)) })
	}
	failsWith(t, "webhooktest: the handler is nil", func(t testing.TB) { convospheretest.NewSender(t, nil, secret) })
	failsWith(t, "webhooktest: the address of the receiver must be a URL with a scheme and a host",
		func(t testing.TB) { convospheretest.NewSenderTo(t, "localhost/webhooks", secret) })
	failsWith(t, "webhooktest: emberqa signs nothing, so nobody can tell that a delivery was tampered with", func(t testing.TB) {
		s := emberqatest.NewSender(t, &recorder{}, secret)
		s.SendTampered(s.Sample("red_flag"))
	})
}

func TestAnAnswerThatWasNotWantedIsASentence(t *testing.T) {
	onADay(t, func(t *testing.T) {
		r := &recorder{answer: func(w http.ResponseWriter, _ *http.Request, n int) {
			time.Sleep(time.Second)
			w.WriteHeader([]int{401, 500, 200, 200}[min(n, 3)])
			fmt.Fprintln(w, `{"received":false}`)
		}}
		var d *webhooktest.Delivery
		failsWith(t, "convosphere: the delivery ID of user.feedback was to be answered 200, but was answered 401 after 1s: {\"received\":false}", func(t testing.TB) {
			s := convospheretest.NewSender(t, r, secret)
			d = s.Sample("user.feedback")
			d.ID = "ID"
			s.Send(d).WantOK()
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback was to be answered [200 200], and was [500 200]; number 1 was answered 500 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).SendTwice(d).Want(200, 200)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback was to be answered [500 200], and was [200]; number 1 was answered 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Deliver(d).Want(500, 200)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback was to be answered 401 or 503, but was answered 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Send(d).Want(401, 503)
		})
		failsWith(t, "convosphere: the delivery ID of user.feedback was to have no answer, but was answered 200 after 1s: {\"received\":false}", func(t testing.TB) {
			convospheretest.NewSender(t, r, secret).Send(d).WantNone()
		})
		r.answer = answering(500)
		require.Len(t, failing(t, func(t testing.TB) { convospheretest.NewSender(t, r, secret).SendTwice(d).WantOK() }), 2)
	})
}

func TestAnAnswerThatDidNotComeIsASentence(t *testing.T) {
	onADay(t, func(t *testing.T) {
		r := &recorder{answer: func(_ http.ResponseWriter, r *http.Request, _ int) { <-r.Context().Done() }}
		failsWith(t, "greenflash: the delivery ID of conversation.rating was to be answered 200, but had no answer after 5s: "+
			"there was none within 5s, which is as long as the vendor waits: context deadline exceeded", func(t testing.TB) {
			s := greenflashtest.NewSender(t, r, secret)
			d := s.Sample("conversation.rating")
			d.ID = "ID"
			s.Send(d).WantOK()
		})
	})
}

func TestAHandlerThatExplainsIsAskedTo(t *testing.T) {
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

func TestNoSentenceHasTheTokenOfTheURL(t *testing.T) {
	says := failing(t, func(t testing.TB) {
		s := emberqatest.NewSenderTo(t, "http://127.0.0.1:1/hooks", "THE-TOKEN")
		s.Send(s.Sample("red_flag")).WantOK()
		s = emberqatest.NewSender(t, &recorder{answer: func(http.ResponseWriter, *http.Request, int) { panic(http.ErrAbortHandler) }}, "THE-TOKEN")
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

func TestARequestThatIsStillHandledAtTheEndFailsTheTest(t *testing.T) {
	onADay(t, func(t *testing.T) {
		release := make(chan struct{})
		failsWith(t, "webhooktest: a request is still being handled 10s after the end of the test", func(t testing.TB) {
			s := convospheretest.NewSender(t, &recorder{answer: func(http.ResponseWriter, *http.Request, int) { <-release }}, secret)
			s.Send(s.Sample("user.feedback")).WantNone()
		})
		close(release)
	})
}

func TestAPanicOfTheHandlerIsInTheTestsOutput(t *testing.T) {
	fake := &fakeT{TB: t}
	s := convospheretest.NewSender(fake, &recorder{answer: func(http.ResponseWriter, *http.Request, int) { panic("out of cheese") }}, secret)
	s.Send(s.Sample("user.feedback")).WantNone()
	fake.cleanups[0]()
	require.Contains(t, fake.output.String(), "out of cheese")
	require.Empty(t, fake.says)
}

func TestASenderDoesNotPrintItsSecret(t *testing.T) {
	s := convospheretest.NewSender(t, &recorder{}, "OPEN-SESAME")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", s, s, s), "OPEN-SESAME")
}
