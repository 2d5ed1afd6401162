package greenflash_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/webhook"
)

// given returns the event that a callback gets for body, and checks that decoding loses no data.
func given[T any](t *testing.T, body string) *T {
	t.Helper()
	return any(vendor.Receive(t, []byte(body))).(*T)
}

func TestEnvelope_AcceptsEveryMemberName(t *testing.T) {
	for _, typeName := range []string{"type", "event", "eventType", "Type", "eventtype"} {
		for _, timeName := range []string{"timestamp", "createdAt", "created\\u0041t"} {
			for _, format := range []string{
				`{"TYPE":"conversation.rating","id":"e1","TIME":"2026-11-02T09:15:00Z","data":{"conversationId":"c1","rating":2}}`,
				`{"data":{"conversationId":"c1","rating":2},"id":"e1","TIME":1793610900,"TYPE":"conversation.rating"}`,
				`{"TYPE":"conversation.rating","id":"e1","TIME":1793610900000,"conversationId":"c1","rating":2}`,
				`{"TYPE":"conversation.rating","id":"e1","TIME":"1793610900","data":null,"conversationId":"c1","rating":2}`,
			} {
				body := strings.NewReplacer("TYPE", typeName, "TIME", timeName).Replace(format)
				e := given[greenflash.ConversationRating](t, body)
				require.Equal(t, "conversation.rating", e.Type, body)
				require.Equal(t, "e1", e.ID, body)
				require.Equal(t, int64(1793610900), e.Time.Unix(), body)
				require.Equal(t, "c1", e.ConversationID, body)
				require.InDelta(t, 2, *e.Rating, 0, body)
				require.Empty(t, e.Unknown(), body)
			}
		}
	}
}

func TestTriggers_KeepEmptyEntries(t *testing.T) {
	e := given[greenflash.CustomAnalysisEvidenceFound](t, `{"type":"custom_analysis.evidence_found","triggers":[{"triggerType":null},{}]}`)
	require.Equal(t, []greenflash.Trigger{{}, {}}, e.Triggers)
	require.Equal(t, greenflash.Trigger{}, e.Trigger)
}

func TestFields_DistinguishZeroFromMissing(t *testing.T) {
	e := given[greenflash.ConversationRating](t, `{"type":"conversation.rating","data":{"rating":0,"feedback":"","keywords":[]}}`)
	require.NotNil(t, e.Rating)
	require.NotNil(t, e.Feedback)
	require.NotNil(t, e.Keywords)
	e.Event = webhook.Event{Type: e.Type}
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, `{"@event":{"type":"conversation.rating"},"rating":0,"feedback":"","keywords":[]}`, string(text))
}

func TestUnknown_KeepsNewFieldsAndValues(t *testing.T) {
	e := given[greenflash.CustomAnalysisGuardrailTriggered](t, `{
		"type": "custom_analysis.guardrail_triggered",
		"apiVersion": 2,
		"data": {
			"conversationId": "c1",
			"triggerType": "brand_new",
			"severity": 2.5,
			"novel": {"deep": [1, null]},
			"absent": null,
			"triggers": [{"reason": "r"}, {"triggerType": "newer", "score/x": true}]
		}
	}`)
	require.Equal(t, greenflash.TriggerType("brand_new"), *e.TriggerType)
	require.Equal(t, greenflash.TriggerType("newer"), *e.Triggers[1].TriggerType)
	require.Equal(t, map[string]json.RawMessage{
		"/apiVersion":               json.RawMessage(`2`),
		"/data/novel":               json.RawMessage(`{"deep": [1, null]}`),
		"/data/absent":              json.RawMessage(`null`),
		"/data/triggers/1/score~1x": json.RawMessage(`true`),
	}, e.Unknown())

	i := given[greenflash.ConversationCommercialIntent](t,
		`{"type":"conversation.commercial_intent","commercialIntent":{"label":"sky-high","score":0.9,"why":"w"},"new":1}`)
	require.Equal(t, greenflash.Label("sky-high"), *i.CommercialIntent.Label)
	require.Equal(t, map[string]json.RawMessage{
		"/commercialIntent/why": json.RawMessage(`"w"`),
		"/new":                  json.RawMessage(`1`),
	}, i.Unknown())
}

func TestConversation_HasPublicAPINames(t *testing.T) {
	e := given[greenflash.ConversationRating](t, `{"type":"conversation.rating","data":{
		"externalId":"chat-1","organizationExternalId":"org-1",
		"participant":{"id":"p1","externalId":"user-1","name":"Ada","email":"ada@example.com"},
		"analysis":{"sentiment":{"label":"slightly negative","score":-0.6},"frustration":{"label":"moderate","score":0.7},
			"struggle":{"label":"low","score":0.1},"qualityIndex":4.2},
		"messageId":"m1","externalMessageId":"em1","rating":2,"ratedAt":"2026-11-02T09:15:00Z"}}`)
	require.Empty(t, e.Unknown())
	require.Equal(t, "chat-1", e.ExternalID)
	require.Equal(t, "org-1", e.OrganizationExternalID)
	require.Equal(t, "user-1", e.Participant.ExternalID)
	require.Equal(t, "ada@example.com", *e.Participant.Email)
	require.InDelta(t, -0.6, *e.Analysis.Sentiment.Score, 0)
	require.Equal(t, greenflash.Label("moderate"), *e.Analysis.Frustration.Label)
	require.InDelta(t, 4.2, *e.Analysis.QualityIndex, 0)
	require.Equal(t, "em1", e.ExternalMessageID)
	require.Equal(t, int64(1793610900), e.RatedAt.Unix())

	p := given[greenflash.ProductQualityIndex](t, `{"type":"product.quality_index","data":{"organizationExternalId":"org-1","productQualityIndex":5.7}}`)
	require.Empty(t, p.Unknown())
	require.Equal(t, "org-1", p.OrganizationExternalID)
}
