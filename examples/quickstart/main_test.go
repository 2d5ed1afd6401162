package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
)

func TestQuickstart_MatchesContract(t *testing.T) {
	var out strings.Builder
	failed, err := run(&out, casesOf)
	require.NoError(t, err)
	require.Zero(t, failed, out.String())
	require.NotContains(t, out.String(), secret)
	for _, v := range allvendors.All() {
		for _, sample := range v.Samples {
			require.Contains(t, out.String(), sample.Type)
		}
	}
}

func TestQuickstart_CountsWrongRows(t *testing.T) {
	for _, wrong := range []testCase{{want: "500", callbacks: 1}, {want: "200", callbacks: 2}} {
		var out strings.Builder
		failed, err := run(&out, func(v *allvendors.Vendor) []testCase {
			wrong.body = v.Samples[0].Body
			return []testCase{wrong}
		})
		require.NoError(t, err)
		require.Equal(t, len(allvendors.All()), failed)
		require.Equal(t, failed, strings.Count(out.String(), "NOT AS THE CONTRACT SAYS"))
		require.Contains(t, out.String(), "0 of 4 rows")
	}
}
