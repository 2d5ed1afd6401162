package emberqa

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/diagnose"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// The causes of a refused credential, in [webhook.Handler.Explain] and in the log.
const (
	// CredentialMissing: the request has no place that could have a credential.
	CredentialMissing diagnose.Cause = "credential_missing"
	// CredentialWhitespace: a token has whitespace or quotes around it, in the URL or in the configuration.
	CredentialWhitespace diagnose.Cause = "credential_whitespace"
	// CredentialEscaped: a token was escaped once too often, in the URL or in the configuration.
	CredentialEscaped diagnose.Cause = "credential_escaped"
	// CredentialMisplaced: a live token is in the request, but not where the handler looks.
	CredentialMisplaced diagnose.Cause = "credential_misplaced"
	// CredentialRepeated: the parameter or the header appears more than once.
	CredentialRepeated diagnose.Cause = "credential_repeated"
	// CredentialPrevious: the request has a previous credential.
	CredentialPrevious diagnose.Cause = "credential_previous"
)

// A guess is a token that may have been intended.
type guess struct {
	cause diagnose.Cause
	says  string
	token string
}

// Limits for a hostile URL.
const (
	maxSegments   = 32
	maxParameters = 32
	maxTokens     = 4 // of one parameter
	maxQuery      = 8 << 10
)

// Explain returns why Authenticate refuses a request. What it reports about a token is proven by the token's digest.
func (g *gate) Explain(r *vendors.Request, _ []byte) diagnose.Explanation {
	shown := show(r)
	if name, ok := matching(g.previousCredentials(), shown); ok {
		return diagnose.Explanation{Cause: CredentialPrevious, Text: fmt.Sprintf("the request has the previous credential %q: either EmberQA still uses the old URL, then set it together with the new one until EmberQA has changed, or someone else has obtained it", name)}
	}
	live := *g.live.Load()
	if _, ok := matching(live, shown); ok {
		return diagnose.Explanation{Cause: diagnose.None, Text: "nothing is wrong with the credential"}
	}
	for _, c := range guesses(r) {
		if _, ok := matching(live, []liveCredential{{kind: kindToken, digest: sha256.Sum256([]byte(c.token))}}); ok {
			return diagnose.Explanation{Cause: c.cause, Text: c.says}
		}
	}
	return missing(r, live)
}

func matching(live, shown []liveCredential) (name string, ok bool) {
	for _, l := range live {
		for _, s := range shown {
			if s.kind == l.kind && subtle.ConstantTimeCompare(s.digest[:], l.digest[:]) == 1 {
				return l.name, true
			}
		}
	}
	return "", false
}

// guesses returns the tokens that may have been intended.
func guesses(r *vendors.Request) []guess {
	var all []guess
	if r.URL != nil {
		last := path.Base(r.URL.Path)
		all = append(all, changes("the last segment of the path", last)...)
		all = append(all, inQuery(r.URL.RawQuery[:min(len(r.URL.RawQuery), maxQuery)])...)
		query, _ := url.ParseQuery(r.URL.RawQuery) // the parameters that can be parsed
		for _, token := range first(query["token"], maxTokens) {
			if len(query["token"]) > 1 {
				all = append(all, guess{CredentialRepeated, "the parameter token appears more than once and must appear once", token})
			}
			all = append(all, guess{CredentialMisplaced, "the parameter token is right, but the query of the URL as a whole cannot be parsed: escape the other parameters", token})
			all = append(all, changes("the parameter token", token)...)
		}
		all = append(all, inPath(r.URL.Path)...)
		looked := 0
		for name, values := range query {
			if looked++; name == "token" || looked > maxParameters {
				continue
			}
			says := "a live token is in another parameter than token: name the parameter token"
			if strings.EqualFold(name, "token") {
				says = "a live token is in a parameter whose name is token in another case: write token in lower case"
			}
			for _, token := range first(values, maxTokens) {
				all = append(all, guess{CredentialMisplaced, says, token})
			}
		}
	}
	return append(all, inHeader(r.Header)...)
}

func first(all []string, n int) []string { return all[:min(len(all), n)] }

// changes returns what a token may have been before a common mistake, or after one.
func changes(where, token string) []guess {
	const inURL = ": put it into the URL as it is"
	all := []guess{
		{CredentialWhitespace, where + " is a live token with whitespace or quotes around it" + inURL, strings.Trim(token, " \t\r\n\"'\u00a0\ufeff")},
		{CredentialMisplaced, where + " is a live token with its name before it" + inURL, token[strings.IndexAny(token, "=:")+1:]},
	}
	if once, err := url.PathUnescape(token); err == nil {
		all = append(all, guess{CredentialEscaped, where + " is a live token that is still escaped: either it was escaped twice, or what passed the URL on has not decoded it", once})
	}
	all = append(all, guess{CredentialEscaped, where + " is a live token with plus signs for its spaces, as in a query: write %20", strings.ReplaceAll(token, "+", " ")})
	const given = " is right, but the token was given "
	for _, given := range []guess{
		{CredentialEscaped, given + "in its escaped form: give it unescaped", url.PathEscape(token)},
		{CredentialEscaped, given + "in its escaped form: give it unescaped", url.QueryEscape(token)},
		{CredentialWhitespace, given + "with quotes around it: remove them", `"` + token + `"`},
		{CredentialWhitespace, given + "with quotes around it: remove them", "'" + token + "'"},
	} {
		all = append(all, guess{given.cause, where + given.says, given.token})
	}
	for _, space := range []string{"\n", "\r\n", " ", "\t"} {
		for _, token := range []string{token + space, space + token} {
			all = append(all, guess{CredentialWhitespace, where + given + "with whitespace around it: trim it", token})
		}
	}
	return all
}

// inQuery undoes common mistakes in the query as a whole.
func inQuery(raw string) []guess {
	var all []guess
	for _, value := range rawTokens(raw) {
		if token, err := url.PathUnescape(value); err == nil && strings.Contains(value, "+") {
			all = append(all, guess{CredentialEscaped, "the parameter token is a live token with a raw plus sign, which means a space in a query: write %2B", token})
		}
	}
	unescaped, _ := url.QueryUnescape(raw)
	for _, written := range []guess{ // the token of each is the whole query as intended
		{CredentialEscaped, "a live token is in a query that was written for HTML: write & instead of &amp;", html.UnescapeString(html.UnescapeString(raw))},
		{CredentialMisplaced, "a live token comes after a semicolon, which separates no parameters: write &", strings.ReplaceAll(raw, ";", "&")},
		{CredentialMisplaced, "a live token comes after a second question mark in the query: write &", strings.ReplaceAll(raw, "?", "&")},
		{CredentialEscaped, "a live token comes after an escaped ampersand in the query: write &", unescaped},
	} {
		if written.token == raw {
			continue
		}
		for _, value := range rawTokens(written.token) {
			for _, unescape := range []func(string) (string, error){url.QueryUnescape, url.PathUnescape} {
				if token, err := unescape(value); err == nil {
					all = append(all, guess{written.cause, written.says, token})
				}
			}
		}
	}
	return all
}

// rawTokens returns the raw values of the parameter token.
func rawTokens(query string) []string {
	var values []string
	looked := 0
	for pair := range strings.SplitSeq(query, "&") {
		if looked++; looked > maxParameters || len(values) == maxTokens {
			break
		}
		if name, value, _ := strings.Cut(pair, "="); name == "token" {
			values = append(values, value)
		}
	}
	return values
}

// inPath tries every segment of the path except the last.
func inPath(p string) []guess {
	segments := strings.Split(strings.Trim(p, "/"), "/")
	var all []guess
	for _, s := range first(segments[:len(segments)-1], maxSegments) {
		all = append(all, guess{CredentialMisplaced, "a live token is in the path, but is not its last segment: end the URL with it", s})
	}
	return all
}

func inHeader(h http.Header) []guess {
	var all []guess
	for _, value := range first(h["Authorization"], maxTokens) {
		_, token, _ := strings.Cut(value, " ") // after any authentication scheme
		for _, token := range []string{value, strings.TrimSpace(token)} {
			all = append(all, guess{CredentialMisplaced, "a live token is in the header Authorization, but the handler looks only in the URL: use Basic, or put the token into the URL", token})
		}
		if user, password, ok := (&http.Request{Header: http.Header{"Authorization": {value}}}).BasicAuth(); ok {
			for _, token := range []string{password, user} {
				all = append(all, guess{CredentialMisplaced, "a live token is in the HTTP Basic authentication, but the handler looks only in the path and the query: configure Basic instead of Token, or put the token into the path", token})
			}
		}
	}
	return all
}

// missing explains a request without a credential.
func missing(r *vendors.Request, live []liveCredential) diagnose.Explanation {
	basic, token := false, false
	for i := range live {
		basic, token = basic || live[i].kind == kindBasic, token || live[i].kind == kindToken
	}
	authorized := len(r.Header["Authorization"])
	switch {
	case basic && authorized > 1:
		return diagnose.Explanation{Cause: CredentialRepeated, Text: "the header Authorization appears more than once and must appear once"}
	case token && !basic && r.URL == nil:
		return diagnose.Explanation{Cause: CredentialMissing, Text: "the request was passed on without its URL, which has the token: set webhook.Request.URL"}
	case basic && !token && authorized == 0:
		return diagnose.Explanation{Cause: CredentialMissing, Text: "the header Authorization is missing, and HTTP Basic authentication is expected: the sender may not create it from the URL, or something on the way drops it"}
	case token && !basic && r.URL.RawQuery == "" && strings.Trim(r.URL.Path, "/") == "":
		return diagnose.Explanation{Cause: CredentialMissing, Text: "the URL has neither a path nor a query for a token: something on the way may remove them"}
	default:
		return diagnose.Explanation{Cause: diagnose.Unexplained, Text: "none of the known mistakes explains it: the request has neither a live nor a previous credential"}
	}
}

// previousCredentials returns the previous credentials, for explanations only.
func (g *gate) previousCredentials() []liveCredential {
	if previous := g.previous.Load(); previous != nil {
		return *previous
	}
	return nil
}

// notLive returns the credentials that are not live, each once, and at most MaxKeys of them.
func notLive(credentials, live []liveCredential) []liveCredential {
	var others []liveCredential
	for _, c := range credentials {
		one := []liveCredential{c}
		_, isLive := matching(live, one)
		_, again := matching(others, one)
		if c.kind != kindNone && !isLive && !again && len(others) < signature.MaxKeys {
			others = append(others, c)
		}
	}
	return others
}
