package emberqatest

import (
	"net/url"
	"strings"
	"unicode"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// Vendor describes how EmberQA sends. Its page says that 200-299 is a success. It also says "Retry Attempts: 2", which can
// mean two or three deliveries in total. It is silent about the pauses. One minute each is our choice.
//
// EmberQA signs nothing, so the token is added to the URL. It becomes the last segment of the path, before a query or a
// fragment. If the query has an empty parameter that is named token or is the last, such as in
// https://example.com/hooks?token=, the token becomes its value. A URL that already has the token in one of these places
// stays unchanged.
func Vendor() webhooktest.Vendor {
	return webhooktest.Vendor{
		Profile: emberqa.Profile(),
		Samples: Samples(),
		Schedules: []webhooktest.Schedule{
			{Name: "two attempts in all", Attempts: webhooktest.Minutes(0, 1)},
			{Name: "two retries", Attempts: webhooktest.Minutes(0, 1, 2)},
		},
		Retried: func(status int) bool { return status < 200 || status > 299 },
		Address: address,
	}
}

func address(base, token string) string {
	if strings.ContainsFunc(token, unicode.IsControl) {
		return base + "/" + token // unescaped, so that a request with this URL fails: no token has a line break
	}
	end := len(base)
	if i := strings.IndexAny(base, "?#"); i >= 0 {
		end = i
	}
	before, after := base[:end], base[end:]
	if last, err := url.PathUnescape(before[strings.LastIndexByte(before, '/')+1:]); err == nil && last == token {
		return base
	}
	query, fragment, _ := strings.Cut(after, "#")
	if fragment != "" {
		fragment = "#" + fragment
	}
	params := strings.Split(query, "&")
	for i, param := range params {
		name, value, ok := strings.Cut(strings.TrimPrefix(param, "?"), "=")
		if shown, err := url.QueryUnescape(value); ok && name == "token" && err == nil && shown == token {
			return base
		}
		if ok && value == "" && (name == "token" || i == len(params)-1) {
			params[i] += url.QueryEscape(token)
			return before + strings.Join(params, "&") + fragment
		}
	}
	return strings.TrimSuffix(before, "/") + "/" + url.PathEscape(token) + after
}
