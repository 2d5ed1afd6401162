package emberqa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook"
)

const flag = `{"webhook_id":"w1","alert_type":"red_flag","content_id":"c1"}`

// basic is the header of HTTP Basic authentication.
func basic(user, password string) http.Header {
	r := &http.Request{Header: make(http.Header)}
	r.SetBasicAuth(user, password)
	return r.Header
}

func TestTheTokenMayStandInThePathOrInTheQuery(t *testing.T) {
	for name, address := range map[string]string{
		"last in the path":           hooks + token,
		"with a slash after it":      hooks + token + "/",
		"and a query":                hooks + token + "?x=1",
		"and another token":          hooks + token + "?token=other",
		"at the root":                "https://receiver.test/" + token,
		"escaped":                    hooks + "%71" + token[1:],
		"in the query":               "https://receiver.test/webhooks?token=" + token,
		"in the query, among others": "https://receiver.test/webhooks?a=b&token=" + token + "&c=d",
		"in the query alone":         "?token=" + token,
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			result := r.receiveAt(address, nil, flag)
			require.Equal(t, webhook.Handled, result.Outcome, result.Err)
			require.Equal(t, "default", result.Delivery.SignedBy)
		})
	}
}

func TestWhatShowsNoLiveCredentialIsForgedAndAnsweredAlike(t *testing.T) {
	for name, test := range map[string]struct {
		address string
		header  http.Header
	}{
		"nothing":                    {address: "https://receiver.test/webhooks/emberqa"},
		"no path":                    {address: "https://receiver.test"},
		"no URL":                     {},
		"another token":              {address: hooks + "q3v9TzKx7LwY2mNq"},
		"in another case":            {address: hooks + strings.ToLower(token)},
		"a part of it":               {address: hooks + token[:15]},
		"more than it":               {address: hooks + token + "x"},
		"not last":                   {address: hooks + token + "/more"},
		"twice in the query":         {address: "https://receiver.test/?token=" + token + "&token=" + token},
		"under another name":         {address: "https://receiver.test/?Token=" + token},
		"in a fragment":              {address: "https://receiver.test/#" + token},
		"in a broken query":          {address: "https://receiver.test/?token=" + token + "&a=%zz"},
		"as a password":              {address: hooks, header: basic("emberqa", token)},
		"as a bearer":                {address: hooks, header: http.Header{"Authorization": {"Bearer " + token}}},
		"empty, in the query":        {address: "https://receiver.test/?token="},
		"the name of the credential": {address: hooks + "default"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t)
			result := r.receiveAt(test.address, test.header, flag)
			require.Equal(t, webhook.Unauthenticated, result.Outcome)
			require.Equal(t, webhook.ReasonCredential, result.Reason)
			require.Equal(t, http.StatusUnauthorized, result.Status)
			require.JSONEq(t, `{"received":false}`, string(result.Body))
			require.EqualError(t, result.Err, "emberqa: the request contains no live credential")
			require.Nil(t, result.Delivery)
			require.Empty(t, r.Events())
			require.Equal(t, webhook.Handled, r.receive(flag).Outcome, "the id was not claimed")
		})
	}
	r := newReceiver(t)
	require.Equal(t, webhook.Unauthenticated, r.Process(t.Context(), webhook.Request{Body: strings.NewReader(flag)}).Outcome, "no URL")
}

func TestBasicAuthenticationLetsIn(t *testing.T) {
	for password, header := range map[string]http.Header{
		"a long password": basic("emberqa", "a long password"),
		"ends in colon:":  basic("emberqa", "ends in colon:"),
		"a:b:c":           basic("emberqa", "a:b:c"),
	} {
		r := newReceiver(t, emberqa.Basic("emberqa", password))
		require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks, nil, flag).Outcome)
		require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks+password, nil, flag).Outcome, "a password is not a token")
		require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks, basic("emberqa", "wrong"), flag).Outcome)
		require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks, basic("other", password), flag).Outcome)
		twice := http.Header{"Authorization": {header.Get("Authorization"), header.Get("Authorization")}}
		require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks, twice, flag).Outcome)
		require.Equal(t, webhook.Handled, r.receiveAt(hooks, header, flag).Outcome)
	}
}

func TestATokenIsNoPasswordAndAPasswordNoToken(t *testing.T) {
	r := newReceiver(t, emberqa.Token("emberqa:a-long-password"))
	require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks, basic("emberqa", "a-long-password"), flag).Outcome)
	require.Equal(t, webhook.Handled, r.receiveAt(hooks+"emberqa:a-long-password", nil, flag).Outcome)

	r = newReceiver(t, emberqa.Basic("emberqa", "a-long-password"))
	require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks+"emberqa:a-long-password", nil, flag).Outcome)
	require.Equal(t, webhook.Unauthenticated, r.receiveAt(hooks+"?token=emberqa:a-long-password", nil, flag).Outcome)
}

func TestBasicAuthenticationAndATokenOverServeHTTP(t *testing.T) {
	r := newReceiver(t, emberqa.Basic("emberqa", "a long password"), emberqa.Token(token).Named("token"))
	mux := http.NewServeMux()
	mux.Handle("POST /webhooks/emberqa/{token}", r)
	mux.Handle("POST /webhooks/emberqa", r)
	for i, authorize := range []func(*http.Request){
		func(q *http.Request) { q.SetBasicAuth("emberqa", "a long password") },
		func(q *http.Request) { q.URL.Path += "/" + token },
		func(q *http.Request) { q.URL.RawQuery = "token=" + token },
		func(*http.Request) {},
	} {
		body := strings.Replace(flag, "w1", fmt.Sprint("w", i), 1)
		request := httptest.NewRequest(http.MethodPost, "/webhooks/emberqa", strings.NewReader(body))
		authorize(request)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, request)
		want := http.StatusOK
		if i == 3 {
			want = http.StatusUnauthorized
		}
		require.Equal(t, want, w.Code, i)
	}
	require.Equal(t, "token", r.Events()[1].Delivery().SignedBy)
	require.Empty(t, r.Events()[0].Delivery().Header, "the credential's header is not kept")
}

func TestACredentialIsRotatedWhileServing(t *testing.T) {
	const next = "Zk4RbQ8sW1xHc6Jd"
	r := newReceiver(t, emberqa.Token(token).Named("old"))
	deliver := func(secret, id string) webhook.Result {
		return r.receiveAt(hooks+secret, nil, strings.Replace(flag, "w1", id, 1))
	}
	require.Equal(t, webhook.Unauthenticated, deliver(next, "w1").Outcome)

	require.NoError(t, r.SetCredentials(emberqa.Token(next).Named("new"), emberqa.Token(token).Named("old")))
	require.Equal(t, "new", deliver(next, "w2").Delivery.SignedBy)
	require.Equal(t, "old", deliver(token, "w3").Delivery.SignedBy)

	require.NoError(t, r.SetCredentials(emberqa.Token(next).Named("new")))
	require.Equal(t, webhook.Unauthenticated, deliver(token, "w4").Outcome)

	require.Error(t, r.SetCredentials())
	require.Error(t, r.SetCredentials(emberqa.Token(token), emberqa.Token("")))
	require.Equal(t, webhook.Handled, deliver(next, "w4").Outcome, "after an error the credentials are unchanged")
	require.Equal(t, webhook.Unauthenticated, deliver(token, "w5").Outcome)
}

func TestAnyoneIsLetInOnlyAfterSayingSo(t *testing.T) {
	r := newReceiver(t, emberqa.DangerouslyAcceptAnyone())
	require.Contains(t, r.log.String(), `"level":"WARN","msg":"emberqa: deliveries are not authenticated`)
	result := r.receiveAt("https://receiver.test/", nil, flag)
	require.Equal(t, webhook.Handled, result.Outcome)
	require.Equal(t, "anyone", result.Delivery.SignedBy)
}

func TestACredentialThatBreaksARuleIsAnErrorThatSaysWhich(t *testing.T) {
	good := emberqa.Token(token)
	many := make([]emberqa.Credential, 17)
	for i := range many {
		many[i] = good.Named(fmt.Sprint(i))
	}
	for name, test := range map[string]struct {
		config emberqa.Config
		want   string
	}{
		"the zero credential":        {emberqa.Config{Credentials: []emberqa.Credential{{}}}, "needs a name"},
		"the zero credential, named": {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Credential{}.Named("x")}}, "blank"},
		"a token with a slash":       {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Token("a/b")}}, "slash"},
		"a dot":                      {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Token(".")}}, "must not be . or .."},
		"two dots":                   {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Token("..")}}, "must not be . or .."},
		"a token that was hidden":    {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Token("[redacted]")}}, "must not be [redacted]"},
		"a password that was hidden": {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Basic("emberqa", "[redacted]")}}, "must not be [redacted]"},
		"one of two that was hidden": {emberqa.Config{Credentials: []emberqa.Credential{good, emberqa.Token("[redacted]").Named("b")}}, "must not be [redacted]"},
		"no user":                    {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Basic("", token)}}, "a user and a password"},
		"no password":                {emberqa.Config{Credentials: []emberqa.Credential{emberqa.Basic("emberqa", " ")}}, "a user and a password"},
		"too many":                   {emberqa.Config{Credentials: many}, "Config.Credentials (17)"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.config.NewHandler(nil)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), token)
			require.NotContains(t, err.Error(), "a/b")
		})
	}
}

func TestAShortCredentialIsWarnedOfWithoutShowingIt(t *testing.T) {
	for _, short := range []emberqa.Credential{
		emberqa.Token("Xy1234567890abc"), emberqa.Basic("a-user-with-a-long-name", "Xy1234567890abc"),
	} {
		r := newReceiver(t, short)
		require.Contains(t, r.log.String(), `"level":"WARN","msg":"emberqa: the credential is short`)
		require.Contains(t, r.log.String(), `"credential":"default"`)
		require.NotContains(t, r.log.String(), "Xy12")
	}
	for _, long := range []emberqa.Credential{emberqa.Token(token), emberqa.Basic("u", token), emberqa.Token("q3v9TzKx7LwY2m:p")} {
		require.Empty(t, newReceiver(t, long).log.String())
	}
}

func TestTheCredentialShowsNowhere(t *testing.T) {
	const password = "Pw-that-must-not-show"
	all := []emberqa.Credential{emberqa.Token(token), emberqa.Basic("emberqa", password).Named("basic")}
	c := emberqa.Config{Credentials: all}
	r := newReceiver(t, all...)
	logger := slog.New(slog.NewJSONHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	text := slog.New(slog.NewTextHandler(&r.log, nil))

	// These deliveries get every outcome. Their URL and header contain the credentials.
	withBoth := "https://emberqa:" + password + "@receiver.test/hooks/" + token + "?token=" + token
	twice := append(basic("emberqa", password)["Authorization"], "Bearer "+token)
	var results []webhook.Result
	for _, body := range []string{flag, flag, `{`, `{}`, `{"alert_type":"new"}`, `{"webhook_id":"w2","alert_type":"red_flag","file_name":1}`} {
		results = append(results, r.receiveAt(withBoth, basic("emberqa", password), body))
	}
	results = append(results, r.receiveAt(hooks+token+"/x?token="+token+"&token="+token, http.Header{"Authorization": twice}, flag))
	u, err := url.Parse(withBoth)
	require.NoError(t, err)
	results = append(results, r.Process(t.Context(), webhook.Request{Method: http.MethodGet, URL: u, Body: strings.NewReader(flag)}))
	results = append(results, r.Process(t.Context(), webhook.Request{URL: u, ContentLength: 9, Body: strings.NewReader(flag)}))

	for _, l := range []*slog.Logger{logger, text} {
		l.Info("all", "credential", all[0], "credentials", all, "config", c, "handler", r.Handler, "group", slog.GroupValue(slog.Any("c", &all[1])))
	}
	var shown bytes.Buffer
	shown.Write(r.log.Bytes())
	for _, v := range []any{all[0], &all[0], all, c, &c, r.Handler, *r.Handler, r.Events(), results} {
		fmt.Fprintf(&shown, "%v %+v %#v\n", v, v, v)
		encoded, _ := json.Marshal(v)
		shown.Write(encoded)
	}
	for _, result := range results {
		fmt.Fprintln(&shown, result.Err, string(result.Body), result.Header())
		encoded, err := json.Marshal(result.Delivery)
		require.NoError(t, err)
		shown.Write(encoded)
	}
	for _, secret := range []string{token, password, basic("emberqa", password).Get("Authorization")[len("Basic "):]} {
		require.NotContains(t, shown.String(), secret)
	}
}
