package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEveryRowIsWhatTheContractSays(t *testing.T) {
	var out strings.Builder
	failed, err := run(&out)
	require.NoError(t, err)
	require.Zero(t, failed, out.String())
	require.NotContains(t, out.String(), secret)
	for _, v := range allVendors() {
		for _, sample := range v.samples {
			require.Contains(t, out.String(), sample.Type)
		}
	}
}

func TestARowThatIsWrongIsCounted(t *testing.T) {
	var out strings.Builder
	table := newTable(&out)
	table.row("acme", "ping", "a duplicate", "200 500", "", false)
	failed, err := table.close()
	require.NoError(t, err)
	require.Equal(t, 1, failed)
	require.Contains(t, out.String(), "NOT AS THE CONTRACT SAYS")
}
