package emberqatest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
)

func TestSamples_MatchDocumentedBytes(t *testing.T) {
	page := map[string]string{ // SHA-256
		"red_flag":            "6b82de2035bd6655d4f90c46306f55e3bd4f1affbd1a0c0f70c1af8f98881a95",
		"low_score":           "f9043d3eb1e56f8c0b209d0f59cbc0d2a48f83cc2c8efc2eafc1f6b688b6a185",
		"completion_call":     "9a3f6a49d1d0355fb181aefc3c5f946c7c77935e7e8144ad7c5ea97d19b026f7",
		"completion_workflow": "f45e4435e40bf10f36124c381d434d6f5031bbc815ecba0fd750a82a3b9b5b97",
	}
	samples := make(map[string]string)
	for _, s := range emberqatest.Samples() {
		digest := sha256.Sum256(s.Body)
		samples[s.Name] = hex.EncodeToString(digest[:])
		require.True(t, s.Documented, s.Name)
	}
	require.Equal(t, page, samples)
}
