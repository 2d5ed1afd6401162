package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatAServiceSaysIsShownAsTextAndWithoutTheSecret(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, "\x1b[31m\u202eCannot POST "+r.URL.Path+strings.Repeat(" page", 1000)) // like Express
	}))
	t.Cleanup(s.Close)
	for _, more := range [][]string{nil, {"--json"}} {
		r := run(t, append([]string{"send", "emberqa", "red_flag", "--url", s.URL + "/hooks"}, more...)...).is(t, 1) // run requires that no output has the secret
		require.Contains(t, r.out, "Cannot POST /hooks/[secret]")
		require.NotContains(t, r.out, "\u202e")
		require.Equal(t, more == nil, len(r.out) < 500)
	}
}

func TestOutputThatIsLostIsNoSuccess(t *testing.T) {
	for _, args := range [][]string{{"send", "emberqa", "--list"}, {"send", "emberqa", "--list", "--json"}} {
		file, err := os.Open(writeFile(t, "")) // opened read-only
		require.NoError(t, err)
		c := aihooks(t, nil, args...)
		c.Stdout = file
		r := finish(t, c).is(t, 1)
		require.NoError(t, file.Close())
		require.Contains(t, r.err, "aihooks: ")
	}
}

func TestAnErrorIsShownAsText(t *testing.T) {
	r := run(t, "explain", "workflux", "--capture", "\x1b[31m\u202e").is(t, 1) // run requires that no output has escapes
	require.Contains(t, r.err, `\x1b[31m\u202e`)
}
