package signature_test

import (
	"crypto/sha256"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// requireRefused requires a refusal with that reason and header.
func requireRefused(t testing.TB, err error, reason signature.Reason, header string) {
	t.Helper()
	require.ErrorIs(t, err, reason)
	var refusal *signature.Error
	require.ErrorAs(t, err, &refusal)
	require.Equal(t, reason, refusal.Reason)
	require.Equal(t, header, refusal.Header)
}

var raceEnabled bool

func sha256Sum(s string) [sha256.Size]byte { return sha256.Sum256([]byte(s)) }
