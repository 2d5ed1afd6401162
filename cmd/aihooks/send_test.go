package main

import (
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/webhook"
)

type responses struct {
	Vendor    string `json:"vendor"`
	Responses []struct {
		Event  string  `json:"event"`
		ID     string  `json:"id"`
		Status int     `json:"status"`
		Body   string  `json:"body"`
		TookMS float64 `json:"took_ms"`
		Error  string  `json:"error"`
	} `json:"answers"`
}

func TestSend_SendsEveryEvent(t *testing.T) {
	for _, v := range allvendors.All() {
		s := newService(t, v.Name())
		events := decode[[]struct{ Name, Type string }](t, run(t, "send", v.Name(), "--list", "--json").is(t, 0).out)
		require.Len(t, events, len(v.Samples))
		for i, e := range events {
			r := run(t, "send", v.Name(), e.Name, "--url", s.URL).is(t, 0)
			require.Contains(t, r.out, "200 OK", e.Name)
			require.Len(t, s.seen(), i+1, e.Name)
		}
	}
	require.Contains(t, run(t, "send", "emberqa", "--list").is(t, 0).out, "the vendor's page")
}

func TestSend_SetsBodyFields(t *testing.T) {
	s := newService(t, "greenflash")
	run(t, "send", "greenflash", "conversation.rating", "--url", s.URL,
		"--set", "data.rating=4.50", "--set", "/data/a~1b=plain text", "--set", `data.deep.er=[1,{"x":null}]`, "--set", "data.feedback=").is(t, 0)
	e := s.seen()[0].(*greenflash.ConversationRating)
	require.InDelta(t, 4.5, *e.Rating, 0)
	require.Empty(t, *e.Feedback)
	require.Contains(t, string(e.Delivery().Body), `"rating":4.50`)
	require.JSONEq(t, `"plain text"`, string(e.Unknown()["/data/a~1b"]))
	require.JSONEq(t, `{"er":[1,{"x":null}]}`, string(e.Unknown()["/data/deep"]))
}

func TestSend_RepeatsEventOnlyWithSame(t *testing.T) {
	for _, vendor := range allvendors.Names() {
		v, err := allvendors.Find(vendor)
		require.NoError(t, err)
		s := newService(t, vendor)
		run(t, "send", vendor, v.Samples[0].Name, "--url", s.URL, "--times", "30", "--concurrent", "5").is(t, 0)
		require.Len(t, s.seen(), 30, vendor)
		// Two copies wait for the running one. A third would get 503.
		r := run(t, "send", vendor, v.Samples[0].Name, "--url", s.URL, "--same", "--times", "8", "--concurrent", "3", "--json").is(t, 0)
		require.Len(t, s.seen(), 31, vendor)
		all := decode[responses](t, r.out)
		require.Equal(t, vendor, all.Vendor)
		require.Len(t, all.Responses, 8)
		for _, a := range all.Responses {
			require.Equal(t, 200, a.Status)
			require.Equal(t, all.Responses[0].ID, a.ID)
			require.Positive(t, a.TookMS)
		}
	}
}

func TestSend_CountsResponsesByStatus(t *testing.T) {
	s := newService(t, "greenflash")
	r := run(t, "send", "greenflash", "conversation.rating", "--url", s.URL, "--times", "40").is(t, 0)
	require.Regexp(t, `STATUS +DELIVERIES +P50 +P99 +SLOWEST\n200 OK +40 +`, r.out)
	require.Empty(t, r.err, "there must be no progress bar without a terminal")
}

func TestSend_FailsUnlessStatusIsExpected(t *testing.T) {
	for _, vendor := range allvendors.Names() {
		v, err := allvendors.Find(vendor)
		require.NoError(t, err)
		s := newService(t, vendor)
		ways := []string{"--forge"}
		if v.Profile.Window > 0 {
			ways = append(ways, "--stale")
		}
		for _, way := range ways {
			args := []string{"send", vendor, v.Samples[0].Name, "--url", s.URL, way}
			r := run(t, args...).is(t, 1)
			require.Contains(t, r.out, "401 Unauthorized")
			require.Contains(t, r.err, "1 of 1 deliveries were not accepted")
			run(t, append(args, "--expect", "401")...).is(t, 0)
			require.Contains(t, run(t, append(args, "--expect", "200")...).is(t, 1).err, "did not get status 200")
		}
		require.Empty(t, s.seen())
	}
}

func TestSend_ForgesWithoutSecret(t *testing.T) {
	s := newService(t, "emberqa")
	finish(t, aihooks(t, nil, "send", "emberqa", "red_flag", "--url", s.URL, "--forge", "--expect", "401")).is(t, 0)
}

func TestSend_ExitsWith3WhenServiceDown(t *testing.T) {
	r := run(t, "send", "emberqa", "red_flag", "--url", down(t)+"/hooks", "--json").is(t, 3)
	require.Contains(t, r.err, "1 of 1 deliveries got no response")
	require.Contains(t, decode[responses](t, r.out).Responses[0].Error, "refused")

	url, _ := hanging(t)
	r = run(t, "send", "workflux", "user.message", "--url", url, "--timeout", "50ms").is(t, 3)
	require.Contains(t, r.out, "no response")
}

func TestSend_FailsOnRedirect(t *testing.T) {
	s := newService(t, "workflux")
	redirecting := redirect(t, s.URL)
	r := run(t, "send", "workflux", "user.message", "--url", redirecting).is(t, 1)
	require.Contains(t, r.out, "307 Temporary Redirect")
	require.Empty(t, s.seen())
}

func TestSend_StopsOnInterrupt(t *testing.T) {
	url, asked := hanging(t)
	j := begin(t, aihooks(t, secrets(), "send", "workflux", "user.message", "--url", url, "--times", "100", "--concurrent", "2"))
	<-asked
	<-asked
	require.NoError(t, sendSignal(j.cmd, os.Interrupt))
	require.Contains(t, line(t, j.err, "interrupted"), "of 100 deliveries")
	require.Equal(t, 130, j.wait())
}

func TestSend_PrintsOnlyJSON(t *testing.T) {
	s := newService(t, "greenflash")
	r := run(t, "send", "greenflash", "conversation.rating", "--url", s.URL, "--json").is(t, 0)
	require.True(t, json.Valid([]byte(r.out)))
	require.Empty(t, r.err)
}

func TestSend_ReachesLocalServers(t *testing.T) {
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	h, err := v.NewHandler(secret, &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	selfSigned := httptest.NewTLSServer(h)
	t.Cleanup(selfSigned.Close)
	plain := newService(t, "workflux")
	for _, address := range []string{
		selfSigned.URL,
		strings.Replace(selfSigned.URL, "127.0.0.1", "localhost", 1),
		strings.Replace(selfSigned.URL, "127.0.0.1", "hooks.localhost", 1),
		strings.Replace(plain.URL, "127.0.0.1", "HOOKS.LOCALHOST", 1),
	} {
		env := secrets()
		env["HTTP_PROXY"], env["HTTPS_PROXY"] = down(t), down(t)
		finish(t, aihooks(t, env, "send", "workflux", "user.message", "--url", address+"/hooks")).is(t, 0)
	}
}

func TestSend_PrintsIDThatReceiverShows(t *testing.T) {
	j, url, _ := startListening(t, secrets(), "--no-save")
	ids := make(map[string]bool)
	for _, args := range [][]string{
		{"greenflash", "conversation.rating"}, {"greenflash", "conversation.rating", "--form", "delivery.timestamp.body"},
		{"greenflash", "conversation.rating", "--form", "body"}, {"workflux", "user.message"},
		{"convosphere", "user.feedback"}, {"emberqa", "red_flag"}, {"emberqa", "completion_workflow"},
	} {
		r := run(t, append([]string{"send", "--json", "--url", url + "/webhooks/" + args[0]}, args...)...).is(t, 0)
		id := decode[responses](t, r.out).Responses[0].ID
		require.Equal(t, next(t, j).ID, id, args)
		require.False(t, ids[id])
		ids[id] = true
	}
}

func TestSend_SetsElementsAndReportsAdditions(t *testing.T) {
	s := newService(t, "greenflash")
	r := run(t, "send", "greenflash", "conversation.rating", "--url", s.URL, "--set", "data.tags=[1,[2,3]]", "--set", "data.tags[0]=x",
		"--set", "/data/tags/1/0=y", "--set", "data.tags[1][1]=z", "--set", "data.rating=4", "--set", "data.odd[name]=kept").is(t, 0)
	e := s.seen()[0].(*greenflash.ConversationRating)
	require.JSONEq(t, `["x",["y","z"]]`, string(e.Unknown()["/data/tags"]))
	require.JSONEq(t, `"kept"`, string(e.Unknown()["/data/odd[name]"]))
	require.Equal(t, 2, strings.Count(r.err, "has no such member"))
	require.Contains(t, r.err, "--set data.tags: the sample of conversation.rating has no such member; it is added")
	require.NotContains(t, r.err, "data.rating")
	r = run(t, "send", "greenflash", "conversation.rating", "--url", s.URL, "--set", "data.tags=[1]", "--set", "data.tags[1]=x").is(t, 2)
	require.Contains(t, r.err, `"1" is not an index of a list of length 1`)
}

func TestSend_HelpNamesFieldsThatExist(t *testing.T) {
	s := newService(t, "workflux")
	_, args, ok := strings.Cut(run(t, "send", "--help").is(t, 0).out, "aihooks send workflux ")
	require.True(t, ok)
	args, _, _ = strings.Cut(args, "\n")
	words := append([]string{"send", "workflux"}, strings.Fields(args)...)
	for i, word := range words {
		if strings.HasPrefix(word, "http://") {
			words[i] = s.URL
		}
	}
	require.Empty(t, run(t, words...).is(t, 0).err)
}

func TestSend_ExplainsUnauthorized(t *testing.T) {
	s := newService(t, "workflux")
	r := run(t, "send", "workflux", "user.message", "--url", s.URL, "--forge").is(t, 1)
	require.Contains(t, r.err, "Compare its secret")
	require.Contains(t, r.err, "aihooks listen")
	require.NotContains(t, run(t, "send", "workflux", "user.message", "--url", redirect(t, s.URL)).is(t, 1).err, "secret")
}

func TestSend_PutsTokenOfEmberQAOnce(t *testing.T) {
	s := newService(t, "emberqa")
	for _, address := range []string{"/hooks?a=1", "/hooks#part", "/hooks/" + secret, "/hooks?token=" + secret + "&a=1", "/?token="} {
		run(t, "send", "emberqa", "red_flag", "--url", s.URL+address).is(t, 0)
	}
	require.Len(t, s.seen(), 5)
}
