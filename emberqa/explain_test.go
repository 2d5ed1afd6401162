package emberqa_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook"
)

// A credential that is given, and a request that shows it wrongly.
type credentialCase struct {
	name   string
	given  emberqa.Credential
	url    string
	header http.Header
	cause  diagnose.Cause
	says   string
}

func credentialCases() []credentialCase {
	const token = "tok-3f9ab7c1d5e8-long-enough"
	const odd = "tok 3f9a%b7c1d5e8+long"
	given := emberqa.Token(token)
	at := func(rest string) string { return "https://receiver.test/hooks" + rest }
	basic := func(text string) http.Header {
		return http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(text))}}
	}
	return []credentialCase{
		{"whitespace in the path", given, at("/%20" + token + "%0A"), nil, emberqa.CredentialWhitespace, "last segment of the path is a live token with whitespace"},
		{"whitespace in the parameter", given, at("?token=+" + token), nil, emberqa.CredentialWhitespace, "parameter token is a live token with whitespace"},
		{"quotes in the path", given, at("/%22" + token + "%22"), nil, emberqa.CredentialWhitespace, "quotes"},
		{"given with a line break", emberqa.Token(token + "\n"), at("/" + token), nil, emberqa.CredentialWhitespace, "given with whitespace around it"},
		{"given with a Windows line break", emberqa.Token(token + "\r\n"), at("/" + token), nil, emberqa.CredentialWhitespace, "given with whitespace around it"},
		{"given with a tab", emberqa.Token(token + "\t"), at("/" + token), nil, emberqa.CredentialWhitespace, "given with whitespace around it"},
		{"given with a space before it", emberqa.Token(" " + token), at("?token=" + token), nil, emberqa.CredentialWhitespace, "given with whitespace around it"},
		{"given with quotes", emberqa.Token(`"` + token + `"`), at("/" + token), nil, emberqa.CredentialWhitespace, "given with quotes"},
		{"given with single quotes", emberqa.Token("'" + token + "'"), at("/" + token), nil, emberqa.CredentialWhitespace, "given with quotes"},
		{"escaped twice", emberqa.Token(odd), at("/" + url.PathEscape(url.PathEscape(odd))), nil, emberqa.CredentialEscaped, "escaped twice"},
		{"a raw plus in the parameter", emberqa.Token("tok+3f9ab7c1d5e8+long"), at("?a=b&token=tok+3f9ab7c1d5e8+long"), nil, emberqa.CredentialEscaped, "write %2B"},
		{"a raw plus and an escaped space", emberqa.Token(odd), at("?token=tok%203f9a%25b7c1d5e8+long"), nil, emberqa.CredentialEscaped, "write %2B"},
		{"a raw plus in a query that cannot be parsed", emberqa.Token("tok+3f9ab7c1d5e8+long"), at("?a=%zz&token=tok+3f9ab7c1d5e8+long"), nil, emberqa.CredentialEscaped, "write %2B"},
		{"the form of a query in the path", emberqa.Token("tok 3f9ab7c1d5e8 long"), at("/tok+3f9ab7c1d5e8+long"), nil, emberqa.CredentialEscaped, "write %20"},
		{"after an HTML ampersand", given, at("?a=b&amp;token=" + token), nil, emberqa.CredentialEscaped, "written for HTML"},
		{"before an HTML ampersand", given, at("?token=" + token + "&amp;a=b"), nil, emberqa.CredentialEscaped, "written for HTML"},
		{"after an ampersand written for HTML twice", given, at("?a=b&amp;amp;token=" + token), nil, emberqa.CredentialEscaped, "written for HTML"},
		{"an HTML ampersand and a raw plus", emberqa.Token("tok+3f9ab7c1d5e8+long"), at("?a=b&amp;token=tok+3f9ab7c1d5e8+long"), nil, emberqa.CredentialEscaped, "written for HTML"},
		{"after a semicolon", given, at("?a=b;token=" + token), nil, emberqa.CredentialMisplaced, "semicolon"},
		{"after an escaped ampersand", given, at("?a=b%26token%3D" + token), nil, emberqa.CredentialEscaped, "escaped ampersand"},
		{"after a second question mark", given, at("?a=b?token=" + token), nil, emberqa.CredentialMisplaced, "question mark"},
		{"given in its escaped form", emberqa.Token(url.PathEscape(odd)), at("/" + url.PathEscape(odd)), nil, emberqa.CredentialEscaped, "given in its escaped form"},
		{"given in the escaped form of a query", emberqa.Token(url.QueryEscape(odd)), at("?token=" + url.QueryEscape(odd)), nil, emberqa.CredentialEscaped, "given in its escaped form"},
		{"its name before it", given, at("/token=" + token), nil, emberqa.CredentialMisplaced, "with its name before it"},
		{"not the last segment", given, at("/" + token + "/emberqa"), nil, emberqa.CredentialMisplaced, "not its last segment"},
		{"a parameter in another case", given, at("?Token=" + token), nil, emberqa.CredentialMisplaced, "in another case"},
		{"another parameter", given, at("?key=" + token), nil, emberqa.CredentialMisplaced, "another parameter than token"},
		{"a query that cannot be parsed", given, at("?a=%zz&token=" + token), nil, emberqa.CredentialMisplaced, "cannot be parsed"},
		{"a bearer token", given, at(""), http.Header{"Authorization": {"Bearer " + token}}, emberqa.CredentialMisplaced, "header Authorization"},
		{"a token in place of user and password", given, at(""), http.Header{"Authorization": {"Basic " + token}}, emberqa.CredentialMisplaced, "header Authorization"},
		{"a bare header", given, at(""), http.Header{"Authorization": {token}}, emberqa.CredentialMisplaced, "header Authorization"},
		{"a token as the password", given, at(""), basic("emberqa:" + token), emberqa.CredentialMisplaced, "HTTP Basic authentication"},
		{"a token as the user", given, at(""), basic(token + ":"), emberqa.CredentialMisplaced, "HTTP Basic authentication"},
		{"a parameter twice", given, at("?token=" + token + "&token=" + token), nil, emberqa.CredentialRepeated, "more than once"},
		{"Basic twice", emberqa.Basic("u", token), at(""), http.Header{"Authorization": {"a", "b"}}, emberqa.CredentialRepeated, "Authorization appears more than once"},
		{"Basic missing", emberqa.Basic("u", token), at(""), nil, emberqa.CredentialMissing, "Authorization is missing"},
		{"no URL", given, "", nil, emberqa.CredentialMissing, "without its URL"},
		{"an empty URL", given, "https://receiver.test/", nil, emberqa.CredentialMissing, "neither a path nor a query"},
	}
}

func TestEachMistakeWithACredentialHasItsOneExplanation(t *testing.T) {
	for _, m := range credentialCases() {
		t.Run(m.name, func(t *testing.T) {
			var log bytes.Buffer
			h, err := emberqa.NewHandler(m.given, &webhook.Options{Logger: slog.New(slog.NewJSONHandler(&log, nil))})
			require.NoError(t, err)
			r := webhook.Request{Header: m.header, Body: strings.NewReader("{}")}
			if m.url != "" {
				r.URL, err = url.Parse(m.url)
				require.NoError(t, err)
			}
			e := h.Explain(r, time.Time{})
			require.Equal(t, m.cause, e.Cause, e.Text)
			require.Contains(t, e.Text, m.says)
			require.NotContains(t, e.Text, "3f9a")
			require.Empty(t, log.String(), "explaining logs nothing")

			require.Equal(t, webhook.Unauthenticated, h.Process(t.Context(), r).Outcome)
			require.Contains(t, log.String(), `"cause":"`+string(m.cause)+`"`)
			require.NotContains(t, log.String(), "3f9a")
		})
	}
}

func TestAFormerCredentialIsToldFromOneThatWasNeverLive(t *testing.T) {
	h, err := emberqa.NewHandler(emberqa.Token("the-first-token-of-all").Named("first"), quietOptions())
	require.NoError(t, err)
	for i := range 3 * signature.MaxKeys {
		require.NoError(t, h.SetCredentials(emberqa.Token(fmt.Sprintf("token-number-%02d-of-many", i)).Named(fmt.Sprint(i))))
	}
	explain := func(token string) diagnose.Explanation {
		return h.Explain(webhook.Request{URL: &url.URL{Path: "/" + token}}, time.Time{})
	}
	e := explain("token-number-46-of-many")
	require.Equal(t, emberqa.CredentialPrevious, e.Cause)
	require.Contains(t, e.Text, `"46"`)
	require.Equal(t, emberqa.CredentialPrevious, explain("token-number-31-of-many").Cause)
	require.Equal(t, diagnose.Unexplained, explain("token-number-30-of-many").Cause, "no more than 16 are remembered")
	require.Equal(t, diagnose.Unexplained, explain("the-first-token-of-all").Cause)

	result := h.Process(t.Context(), webhook.Request{URL: &url.URL{Path: "/token-number-46-of-many"}, Body: strings.NewReader("{}")})
	require.Equal(t, webhook.Unauthenticated, result.Outcome, "a previous credential verifies nothing")
	require.NoError(t, h.SetCredentials(emberqa.Token("token-number-46-of-many")))
	require.NotEqual(t, emberqa.CredentialPrevious, explain("token-number-46-of-many").Cause, "it is live again")
}

func TestARandomTokenGetsNoExplanation(t *testing.T) {
	h, err := emberqa.Config{Credentials: []emberqa.Credential{
		emberqa.Token("the-live-token-0123456789"), emberqa.Basic("u", "the-live-password").Named("basic"),
	}}.NewHandler(quietOptions())
	require.NoError(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 1000 {
		token := fmt.Sprintf("%016x", random.Uint64())
		for _, r := range []webhook.Request{
			{URL: &url.URL{Path: "/hooks/" + token}},
			{URL: &url.URL{Path: "/hooks", RawQuery: "token=" + token}},
			{URL: &url.URL{Path: "/hooks", RawQuery: "Token=" + token}, Header: http.Header{"Authorization": {"Bearer " + token}}},
			{URL: &url.URL{Path: "/" + token + "/x/y"}, Header: http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+token))}}},
		} {
			require.Equal(t, diagnose.Unexplained, h.Explain(r, time.Time{}).Cause)
		}
	}
}

func TestAUserAndPasswordInTheURLAreNotTakenForAToken(t *testing.T) {
	h, err := emberqa.NewHandler(emberqa.Basic("user", "a-password-of-some-length"), quietOptions())
	require.NoError(t, err)
	asked := webhook.Request{URL: &url.URL{Path: "/hooks/user:a-password-of-some-length"}, Header: http.Header{"Authorization": {"Basic Og=="}}}
	require.Equal(t, diagnose.Unexplained, h.Explain(asked, time.Time{}).Cause)
	require.NoError(t, h.SetCredentials(emberqa.Token("a-token-in-place-of-it")))
	require.Equal(t, diagnose.Unexplained, h.Explain(asked, time.Time{}).Cause)
}

func TestCredentialsThatComeAndGoTakeNoRoomFromOthers(t *testing.T) {
	first := emberqa.Token("the-first-token-of-all").Named("first")
	number := func(i int) emberqa.Credential { return emberqa.Token(fmt.Sprintf("token-number-%02d-of-many", i)) }
	var many, alike []emberqa.Credential
	for i := range signature.MaxKeys {
		many = append(many, number(i).Named(fmt.Sprint(i)))
		alike = append(alike, number(0).Named(fmt.Sprint(i)))
	}
	for name, then := range map[string]func(set func(...emberqa.Credential)){
		"two in turns": func(set func(...emberqa.Credential)) {
			for i := range 3 * signature.MaxKeys {
				set(number(i % 2))
			}
		},
		"the same again": func(set func(...emberqa.Credential)) {
			set(many...)
			set(many...)
		},
		"one under many names": func(set func(...emberqa.Credential)) {
			set(alike...)
			set(number(1))
		},
		"none": func(set func(...emberqa.Credential)) {
			set(emberqa.DangerouslyAcceptAnyone())
			for i := range signature.MaxKeys {
				set(number(i))
			}
		},
	} {
		h, err := emberqa.NewHandler(first, quietOptions())
		require.NoError(t, err)
		then(func(c ...emberqa.Credential) { require.NoError(t, h.SetCredentials(c...)) })
		e := h.Explain(webhook.Request{URL: &url.URL{Path: "/the-first-token-of-all"}}, time.Time{})
		require.Equal(t, emberqa.CredentialPrevious, e.Cause, name)
	}
}

func TestAFormerCredentialMayBeInWrongHands(t *testing.T) {
	h, err := emberqa.NewHandler(emberqa.Token("the-first-token-of-all").Named("the\nfirst"), quietOptions())
	require.NoError(t, err)
	require.NoError(t, h.SetCredentials(emberqa.Token("the-second-token-of-all")))
	e := h.Explain(webhook.Request{URL: &url.URL{Path: "/the-first-token-of-all"}}, time.Time{})
	require.Contains(t, e.Text, "or someone else has obtained it")
	require.Contains(t, e.Text, `"the\nfirst"`)
	require.NotContains(t, e.Text, "\n")
}

func TestALongURLCostsLittleToExplain(t *testing.T) {
	h, err := emberqa.NewHandler(emberqa.Token("the-live-token-0123456789"), quietOptions())
	require.NoError(t, err)
	r := webhook.Request{URL: &url.URL{
		Path: strings.Repeat("/a", 1<<10), RawQuery: strings.Repeat("token=a&b=c&", 1<<8),
	}, Header: http.Header{"Authorization": make([]string, 1000)}}
	allocations := testing.AllocsPerRun(3, func() { h.Explain(r, time.Time{}) })
	require.Less(t, allocations, 1000.0)
}

func quietOptions() *webhook.Options {
	return &webhook.Options{Logger: slog.New(slog.DiscardHandler)}
}

func ExampleHandler_Explain() {
	hook, err := emberqa.NewHandler(emberqa.Token("3f9ab7c1d5e84c02"), nil)
	if err != nil {
		panic(err)
	}
	hook.Before(func(context.Context, *webhook.Delivery) error { return nil })
	captured := webhook.Request{
		URL:  &url.URL{Path: "/webhooks/emberqa", RawQuery: "Token=3f9ab7c1d5e84c02"},
		Body: strings.NewReader(`{"webhook_id":"whk_1","alert_type":"red_flag"}`),
	}
	fmt.Println(hook.Explain(captured, time.Time{}))
	// Output: a live token is in a parameter whose name is token in another case: write token in lower case
}
