package greenflash_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestUnknown_IncludesUnusedEnvelopeMembers(t *testing.T) {
	for _, body := range []string{
		`{"type":"conversation.started","event":"conversation","data":{}}`,
		`{"type":"conversation.started","timestamp":1793610900,"createdAt":"2026-01-01T00:00:00Z"}`,
		`{"type":"conversation.started","timestamp":"yesterday"}`,
		`{"type":"conversation.started","id":{"delivery":1}}`,
	} {
		given[greenflash.ConversationStarted](t, body) // checks that nothing is lost
	}
}

func TestDelivery_MarshalsWithAnyTime(t *testing.T) {
	for _, when := range []string{"2026-11-02T09:15:00+24:00", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59"} {
		r := newReceiver(t, greenflash.Config{})
		body := `{"type":"conversation.started","timestamp":"` + when + `"}`
		result := r.receive(r.sent("", body, time.Now(), "d1"))
		require.Equal(t, webhook.Handled, result.Outcome)
		_, err := json.Marshal(result.Delivery)
		require.NoError(t, err)
		_, err = json.Marshal(r.Events()[0])
		require.NoError(t, err)
	}
}

func TestEnvelope_FallsBackToHeaderTime(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		r := newReceiver(t, greenflash.Config{})
		d := r.receive(r.sent("", frustration, time.Now(), "d1")).Delivery
		require.Equal(t, time.Now().Unix(), d.Time.Unix())
		require.Equal(t, d.Time, r.Events()[0].(*greenflash.ConversationFrustration).Time)
	})
}

func TestEnvelope_DocumentedTypeWins(t *testing.T) {
	for _, other := range []string{`"chat"`, `""`, `" "`, `null`, `{}`, `["x"]`, `7`, `"Conversation.Frustration"`} {
		for _, body := range []string{
			`{"event":"conversation.frustration","type":` + other + `,"id":"e1","data":{"conversationId":"c1"}}`,
			`{"eventType":"conversation.frustration","event":` + other + `,"type":` + other + `,"id":"e1","conversationId":"c1"}`,
		} {
			e := given[greenflash.ConversationFrustration](t, body)
			require.Equal(t, greenflash.TypeConversationFrustration, e.Type, body)
			require.Equal(t, "c1", e.ConversationID, body)
		}
	}
}
