package emberqa

import (
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Every bit of a credential's digest must be compared. No two tokens are known whose digests differ in one bit, so the test
// changes the live digest instead.
func TestAuthenticate_ComparesEveryBit(t *testing.T) {
	const token = "q3v9TzKx7LwY2mNp"
	withBasic := &http.Request{Header: make(http.Header)}
	withBasic.SetBasicAuth("emberqa", token)
	for name, c := range map[string]struct {
		credential Credential
		request    vendors.Request
	}{
		"path":  {Token(token), vendors.Request{URL: &url.URL{Path: "/hooks/" + token}}},
		"query": {Token(token), vendors.Request{URL: &url.URL{Path: "/", RawQuery: "token=" + token}}},
		"basic": {Basic("emberqa", token), vendors.Request{Header: withBasic.Header}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gate{logger: slog.New(slog.DiscardHandler)}
			require.NoError(t, g.set([]Credential{c.credential}))
			_, err := g.Authenticate(t.Context(), &c.request, nil)
			require.NoError(t, err)
			live := (*g.live.Load())[0]
			for bit := range 8 * sha256.Size {
				changed := live
				changed.digest[bit/8] ^= 1 << (bit % 8)
				g.live.Store(&[]liveCredential{changed})
				_, err := g.Authenticate(t.Context(), &c.request, nil)
				require.ErrorIs(t, err, errCredential, "bit %d", bit)
			}
		})
	}
}

// A path without segments has no token, although path.Base returns something for it.
func TestAuthenticate_EmptyPathShowsNoToken(t *testing.T) {
	for _, p := range []string{"", "/", "//", ".", "/.", "/hooks/.", "///"} {
		r := &vendors.Request{URL: &url.URL{Path: p}}
		for _, token := range []string{".", "/", ""} {
			g := &gate{logger: slog.New(slog.DiscardHandler)}
			g.live.Store(&[]liveCredential{{name: "x", kind: kindToken, digest: sha256.Sum256([]byte(token))}})
			_, err := g.Authenticate(t.Context(), r, nil)
			require.ErrorIs(t, err, errCredential, "%q is let in by %q", p, token)
		}
	}
}

// An explanation must not confuse a credential with a previous one whose digest has the same prefix.
func TestMatching_ComparesEveryBit(t *testing.T) {
	live := liveCredential{name: "live", kind: kindToken, digest: sha256.Sum256([]byte("a token"))}
	_, ok := matching([]liveCredential{live}, []liveCredential{live})
	require.True(t, ok)
	for bit := range 8 * sha256.Size {
		changed := live
		changed.digest[bit/8] ^= 1 << (bit % 8)
		_, ok := matching([]liveCredential{live}, []liveCredential{changed})
		require.False(t, ok, "bit %d", bit)
		require.Len(t, notLive([]liveCredential{changed}, []liveCredential{live}), 1)
	}
	changed := live
	changed.kind = kindBasic
	_, ok = matching([]liveCredential{live}, []liveCredential{changed})
	require.False(t, ok)
}
