package signature_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/signtest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/standardwebhooks"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/workflux"
)

// The package knows no vendor. Only this test does, so that the vectors use real schemes.
func TestVectors_MatchVendorSchemes(t *testing.T) {
	profiles := make(map[string]vendors.Profile)
	for _, p := range []vendors.Profile{greenflash.Profile(), convosphere.Profile(), workflux.Profile()} {
		profiles[p.Name] = p
	}
	for _, file := range vectorFiles(t) {
		p, ok := profiles[file.Vendor]
		require.True(t, ok, file.Vendor)
		require.Equal(t, *p.Scheme, file.SchemeFor(t, ""), file.Vendor)
		require.Equal(t, p.TimeField, file.Window.Header, file.Vendor)
		require.Equal(t, int64(p.Window.Seconds()), file.Window.Past, file.Vendor)
		require.Equal(t, int64(signature.DefaultSkew.Seconds()), file.Window.Future, file.Vendor)
		if file.Window.Member != "" {
			require.Contains(t, p.Envelope.Time, file.Window.Member, file.Vendor)
		}
	}

	standard, file := standardwebhooks.Profile(), signtest.LoadStandardWebhooks(t, "testdata")
	require.Equal(t, standard.Name, file.Vendor)
	require.Equal(t, standard.TimeField, file.Window.Header)
	require.Equal(t, int64(standard.Window.Seconds()), file.Window.Past)
	require.Equal(t, int64(signature.DefaultSkew.Seconds()), file.Window.Future)
}
