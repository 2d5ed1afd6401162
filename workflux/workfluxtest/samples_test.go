package workfluxtest_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func TestSamples_MatchDocumentedBytes(t *testing.T) {
	guide := map[string]string{ // SHA-256
		workflux.TypeConversationStarted:   "21bca05b5061f38d15a361bf71b526c8a44a64088433d7c69c83b98908904f60",
		workflux.TypeConversationCompleted: "1999720f7b1532698d142b8ea92283cf1254cac4ec8745338d7eb74cdc32ea4c",
		workflux.TypeAgentResponse:         "9b1804ddaefb425d0430a84bb993235dfa1ddd28635d42e6586fb7e6c80a66ac",
		workflux.TypeIntegrationSync:       "f5a0acc6e3374992359d87913ae9e5bda579fded25ab462d7ab09152cc44f470",
	}
	for _, s := range workfluxtest.Samples() {
		digest := sha256.Sum256(s.Body)
		want, documented := guide[s.Type]
		require.Equal(t, documented, s.Documented, s.Type)
		if documented {
			require.Equal(t, want, hex.EncodeToString(digest[:]), s.Type)
		}
	}
}
