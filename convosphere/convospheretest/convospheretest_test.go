package convospheretest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere/convospheretest"
)

func TestNoSampleClaimsToBeDocumented(t *testing.T) {
	for _, s := range convospheretest.Samples() {
		require.False(t, s.Documented, s.Type)
	}
}

func TestSamplesAreCopies(t *testing.T) {
	convospheretest.Samples()[0].Body[0] = 'x'
	require.Equal(t, byte('{'), convospheretest.Samples()[0].Body[0])
}
