package webhooktest_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

const secret = "a secret for tests"

func quietly() *webhook.Options { return &webhook.Options{Logger: discard} }

func TestSample_MakesNewEventEachCall(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		hook, err := workflux.NewHandler(secret, quietly()) // which has no ids
		require.NoError(t, err)
		runs := 0
		hook.OnEvent(func(context.Context, webhook.AnyEvent) error { runs++; return nil })
		sender := workfluxtest.NewSender(t, hook, secret)
		first, second := sender.Sample("user.message"), sender.Sample("user.message")
		sender.SendTwice(first).WantOK()
		require.Equal(t, 1, runs)
		sender.SendTwice(second).WantOK()
		require.Equal(t, 2, runs)
		require.NotEqual(t, first.ID, second.ID)
	})
}

func TestSample_FindsByNameOrType(t *testing.T) {
	sender := emberqatest.NewSender(t, &recorder{}, secret)
	require.Contains(t, string(sender.Sample("completion_workflow").Body), "output_schema")
	require.Contains(t, string(sender.Sample("completed_action").Body), "reason_for_call")
	require.Len(t, sender.Samples(), 4)
}

func TestSend_DatesBodyOnceAndHeaderAlways(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := &recorder{}
		sender := greenflashtest.NewSender(t, r, secret)
		d := sender.Sample("conversation.rating")
		time.Sleep(time.Hour)
		first := time.Now()
		sender.Send(d).WantOK()
		time.Sleep(time.Hour)
		sender.Send(d).WantOK()
		got := r.all()
		require.Contains(t, got[0].body, first.UTC().Format(time.RFC3339))
		require.Equal(t, got[0].body, got[1].body)
		require.Contains(t, got[0].body, d.ID)
		for i, header := range []time.Time{first, first.Add(time.Hour)} {
			require.Equal(t, strconv.FormatInt(header.Unix(), 10), got[i].header.Get("X-Greenflash-Timestamp"))
			require.Equal(t, d.ID, got[i].header.Get("X-Greenflash-Delivery"))
			require.Equal(t, "application/json", got[i].header.Get("Content-Type"))
			require.Equal(t, "/webhooks/greenflash", got[i].path)
		}
	})
}

func TestRaw_KeepsBodyByteForByte(t *testing.T) {
	r := &recorder{}
	sender := convospheretest.NewSender(t, r, secret)
	const body = ` {"type":"new.type","timestamp":1} `
	d := sender.Raw([]byte(body))
	sender.Send(d).WantOK()
	require.Zero(t, strings.Compare(body, r.all()[0].body), "byte for byte")
	require.Equal(t, "new.type", d.Type)
}

func TestSend_PrefersHeadersOfDelivery(t *testing.T) {
	r := &recorder{}
	sender := greenflashtest.NewSender(t, r, secret)
	d := sender.Sample("conversation.rating")
	d.Header = http.Header{"x-greenflash-delivery": {"forged"}, "X-Greenflash-Signature": nil, "X-Trace": {"1", "2"}}
	sender.Send(d).WantOK()
	got := r.all()[0].header
	require.Equal(t, []string{"forged"}, got["X-Greenflash-Delivery"])
	require.NotContains(t, got, "X-Greenflash-Signature")
	require.Equal(t, []string{"1", "2"}, got["X-Trace"])
}

func TestSender_PutsTokenIntoURL(t *testing.T) {
	r := &recorder{}
	sender := emberqatest.NewSender(t, r, "the-token")
	red := sender.Sample("red_flag")
	sender.Send(red).WantOK()
	sender.WithPath("/hooks/").Send(red).WantOK()
	sender.WithPath("/hooks?token=").WithSecret("another").Send(red).WantOK()
	emberqatest.NewSender(t, r, "").Send(red).WantOK()
	for i, path := range []string{"/webhooks/emberqa/the-token", "/hooks/the-token", "/hooks?token=another", "/webhooks/emberqa"} {
		require.Equal(t, path, r.all()[i].path)
	}
}

func TestSender_ReachesURL(t *testing.T) {
	r := &recorder{}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	workfluxtest.NewSenderTo(t, server.URL, secret).Send(workfluxtest.NewSenderTo(t, server.URL, secret).Sample("agent.updated")).WantOK()
	sender := emberqatest.NewSenderTo(t, strings.Replace(server.URL, "//", "//user:password@", 1)+"/hooks", "the-token")
	sender.Send(sender.Sample("red_flag")).WantOK()
	require.Equal(t, "/", r.all()[0].path)
	require.Equal(t, "/hooks/the-token", r.all()[1].path)
	require.Equal(t, "Basic dXNlcjpwYXNzd29yZA==", r.all()[1].header.Get("Authorization"))
}

func TestSender_ReachesRouter(t *testing.T) {
	hook, err := emberqa.NewHandler(emberqa.Token(secret[:8]), quietly())
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/emberqa/{token}", hook)
	mux.Handle("POST /elsewhere/{token}", hook)
	sender := emberqatest.NewSender(t, mux, secret[:8])
	sender.Send(sender.Sample("red_flag")).WantOK()
	sender.WithPath("/elsewhere").Send(sender.Sample("red_flag")).WantOK()
	sender.WithPath("/nowhere").Send(sender.Sample("red_flag")).Want(http.StatusNotFound)
}

func TestSender_UsesGivenSecretAndLayout(t *testing.T) {
	hook, err := greenflash.Config{
		Keys: []signature.Key{signature.NewKey("old", "the old secret")}, Form: greenflash.FormDelivery,
	}.NewHandler(quietly())
	require.NoError(t, err)
	sender := greenflashtest.NewSender(t, hook, "the old secret")
	sender.Send(sender.Sample("conversation.rating")).Want(http.StatusUnauthorized)
	sender = sender.WithForm(string(greenflash.FormDelivery))
	sender.Send(sender.Sample("conversation.rating")).WantOK()

	require.NoError(t, hook.SetKeys(signature.NewKey("new", "the new secret")))
	sender.Send(sender.Sample("conversation.rating")).Want(http.StatusUnauthorized)
	sender.WithSecret("the new secret").Send(sender.Sample("conversation.rating")).WantOK()
	sender.Send(sender.Sample("conversation.rating")).Want(http.StatusUnauthorized)
}

func TestSender_GetsForgedAndTamperedRefused(t *testing.T) {
	hook, err := convosphere.NewHandler(secret, quietly())
	require.NoError(t, err)
	hook.OnEvent(func(context.Context, webhook.AnyEvent) error { return nil })
	sender := convospheretest.NewSender(t, hook, secret)
	d := sender.Sample("message.created")
	sender.SendForged(d).Want(http.StatusUnauthorized)
	sender.SendTampered(d).Want(http.StatusUnauthorized)
	sender.Send(d).WantOK()
	result := sender.Process(d)
	require.Equal(t, webhook.Duplicate, result.Outcome)

	r := &recorder{}
	sender = convospheretest.NewSender(t, r, secret)
	d = sender.Sample("message.created")
	sender.SendForged(d).WantOK()
	sender.SendTampered(d).WantOK()
	sender.Send(d).WantOK()
	got := r.all()
	require.Equal(t, got[0].body, got[2].body)
	require.Equal(t, got[1].body, got[2].body+" ")
	signed := func(i int) string { return got[i].header.Get("X-Convosphere-Signature") }
	require.NotEqual(t, signed(0), signed(2))
	require.Equal(t, signed(1), signed(2))
}

func TestEvent_SendsTypedValue(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		hook, err := convosphere.NewHandler(secret, quietly())
		require.NoError(t, err)
		var got []*convosphere.UserFeedback
		hook.OnUserFeedback(func(_ context.Context, e *convosphere.UserFeedback) error { got = append(got, e); return nil })
		sender := convospheretest.NewSender(t, hook, secret)

		bad := convosphere.RatingThumbsDown
		d := sender.Event(&convosphere.UserFeedback{ThreadID: "thread_1", Rating: &bad})
		require.Equal(t, "user.feedback", d.Type)
		sender.SendTwice(d).WantOK()
		require.Len(t, got, 1)
		require.Equal(t, "thread_1", got[0].ThreadID)
		require.Equal(t, bad, *got[0].Rating)
		require.Nil(t, got[0].Comment)
		require.JSONEq(t, fmt.Sprintf(`{"id":%q,"type":"user.feedback","timestamp":%d,"data":{"threadId":"thread_1","rating":"thumbs_down"}}`,
			d.ID, time.Now().Unix()), string(d.Body))
		require.Equal(t, d.ID, got[0].ID)
		require.Equal(t, time.Now().UTC(), got[0].Time)

		then := time.Now().Add(-20 * time.Minute).UTC()
		d = sender.Event(&convosphere.UserFeedback{Event: webhook.Event{ID: "evt_mine", Time: then}})
		sender.Send(d).WantOK()
		require.Equal(t, "evt_mine", d.ID)
		require.Equal(t, "evt_mine", got[1].ID)
		require.Equal(t, then, got[1].Time)
	})
}
