package emberqa

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Of a hostile URL, as much is looked at as the constants say, and no more.
func TestGuesses_AreBounded(t *testing.T) {
	const token = "a-live-token"
	found := func(r *vendors.Request) (n int) {
		for _, g := range guesses(r) {
			if g.token == token {
				n++
			}
		}
		return n
	}
	inPath := func(before int) *vendors.Request {
		return &vendors.Request{URL: &url.URL{Path: strings.Repeat("/s", before) + "/" + token + "/last"}}
	}
	require.Equal(t, 1, found(inPath(31)))
	require.Zero(t, found(inPath(32)))

	others := func(n int, rest string) *vendors.Request {
		var query strings.Builder
		for i := range n {
			fmt.Fprintf(&query, "p%d=%s&", i, token)
		}
		return &vendors.Request{URL: &url.URL{Path: "/", RawQuery: query.String() + rest}}
	}
	for range 5 { // the order of parameters is random
		require.Equal(t, 32, found(others(32, "")))
		require.Equal(t, 32, found(others(40, "")))
		require.Equal(t, 31, found(others(31, "token=x")))
	}
	require.Equal(t, 4, found(&vendors.Request{URL: &url.URL{Path: "/", RawQuery: strings.Repeat("key="+token+"&", 5)}}))
	require.Equal(t, 4, found(&vendors.Request{Header: http.Header{"Authorization": {token, token, token, token, token}}}))

	// Changes of the whole query apply only up to its limit. Here, the change is a plus sign.
	longQuery := func(length int) *vendors.Request {
		query := "token=a-live+token"
		return &vendors.Request{URL: &url.URL{Path: "/", RawQuery: strings.Repeat("x", length-len(query)-1) + "&" + query}}
	}
	plus := func(r *vendors.Request) (all []string) {
		for _, g := range guesses(r) {
			if strings.Contains(g.says, "raw plus sign") {
				all = append(all, g.token)
			}
		}
		return all
	}
	require.Equal(t, []string{"a-live+token"}, plus(longQuery(8<<10)))
	require.Equal(t, []string{"a-live+toke"}, plus(longQuery(8<<10+1)))
}

func TestRawTokens_AreBounded(t *testing.T) {
	require.Equal(t, []string{"x"}, rawTokens(strings.Repeat("a=b&", 31)+"token=x"))
	require.Empty(t, rawTokens(strings.Repeat("a=b&", 32)+"token=x"))
	require.Equal(t, []string{"x", "x", "x", "x"}, rawTokens(strings.Repeat("token=x&", 5)))
}
