//go:build unix

package pgtest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFind_NamesMissingServer(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := find("/nowhere/*/bin")
	require.ErrorContains(t, err, "apt-get install postgresql")
	require.NotContains(t, err.Error(), "\n")
}
