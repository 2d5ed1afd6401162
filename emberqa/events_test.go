package emberqa_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
)

// given returns the event that a callback gets for body, and checks that decoding loses no data.
func given[T any](t *testing.T, body string) *T {
	t.Helper()
	return any(vendor.Receive(t, []byte(body))).(*T)
}

func TestRedFlag_DecodesDocumentedSample(t *testing.T) {
	e := given[emberqa.RedFlag](t, string(vendor.Sample(t, "red_flag")))
	require.Equal(t, "f47ac10b-58cc-4372-a567-0e02b2c3d479", e.ID)
	require.Equal(t, emberqa.TypeRedFlag, e.Type)
	require.Equal(t, time.Date(2025, 1, 16, 15, 30, 45, 123e6, time.UTC), e.Time.UTC())
	require.Equal(t, "a8f5f167-aa8a-4f1e-85c7-1b9c8d6e7f23", e.ContentID)
	require.Equal(t, emberqa.ContentCall, e.ContentType)
	require.Equal(t, "customer_support_call.wav", e.FileName)
	require.Equal(t, "John Doe", *e.AgentName)
	require.Equal(t, "Inappropriate language detected", e.RedFlagReason)
	require.InDelta(t, 42, *e.TotalScore, 0)
	require.InDelta(t, 2, *e.ScoreDetails.Metrics["professionalism"].Score, 0)
	require.Equal(t, "Agent used inappropriate language", *e.ScoreDetails.Metrics["professionalism"].Justification)
}

func TestLowScore_DecodesDocumentedSample(t *testing.T) {
	e := given[emberqa.LowScore](t, string(vendor.Sample(t, "low_score")))
	require.Equal(t, "b23c4d5e-6f7a-8b9c-0d1e-2f3456789abc", e.ID)
	require.Equal(t, "c9e2a3b7-4d5f-6789-a012-3456789bcdef", e.ContentID)
	require.Equal(t, emberqa.ContentCall, e.ContentType)
	require.InDelta(t, 45, e.TotalScore, 0)
	require.InDelta(t, 70, e.TotalScoreThreshold, 0)
	require.Equal(t, "sales_call.wav", e.FileName)
	require.Equal(t, "John Doe", e.AgentName)
	require.Equal(t, "Customer billing inquiry", *e.Summary)
	require.Len(t, e.ScoreDetails.Metrics, 2)
	require.InDelta(t, 3, *e.ScoreDetails.Metrics["problem_resolution"].Score, 0)

	e = given[emberqa.LowScore](t, strings.Replace(string(vendor.Sample(t, "low_score")), `"Customer billing inquiry"`, "null", 1))
	require.Nil(t, e.Summary)
}

func TestCompletion_ReportsItsKind(t *testing.T) {
	e := given[emberqa.Completion](t, string(vendor.Sample(t, "completion_workflow")))
	require.Equal(t, emberqa.CompletionWorkflow, e.Kind())
	require.Equal(t, "POL-2025-001234", *e.Data.OutputSchema["policy_number"].Value)
	require.Equal(t, "Extracted from policy ID field", *e.Data.OutputSchema["policy_number"].Reasoning)
	require.Equal(t, "complete", *e.Data.Status)
	require.InDelta(t, 0.45, *e.Data.Cost, 0)
	require.True(t, e.Time.IsZero())

	e = given[emberqa.Completion](t, string(vendor.Sample(t, "completion_call")))
	require.Equal(t, emberqa.CompletionRecording, e.Kind())
	require.Equal(t, "g67b8c9d-0e1f-2a3b-4c5d-6789abcdef12", e.ContentID)
	require.InDelta(t, 9, *e.Data.ScoreDetails.Metrics["greeting_quality"].Score, 0)
	require.Equal(t, "support_call_001.wav", *e.Data.OriginalFilename)
	require.Equal(t, "Jane Smith", *e.Data.AgentName)
	require.Equal(t, "Customer support inquiry", *e.Data.ReasonForCall)

	for data, want := range map[string]emberqa.CompletionKind{
		`{"output_schema":{}}`:                      emberqa.CompletionWorkflow,
		`{"output_schema":null,"score_uuid":"s1"}`:  emberqa.CompletionRecording,
		`{"created_time":"2025-01-16","cost":null}`: emberqa.CompletionRecording,
		`{"status":"failed"}`:                       emberqa.CompletionWorkflow, // without output_schema
		`{"status":"completed","cost":0}`:           emberqa.CompletionWorkflow,
		`{"cost":0.1,"output_schema":null}`:         emberqa.CompletionWorkflow,
		`{"status":null,"agent_name":"Jane"}`:       emberqa.CompletionRecording,
		`{}`:                                        emberqa.CompletionRecording,
		`null`:                                      emberqa.CompletionRecording,
	} {
		require.Equal(t, want, given[emberqa.Completion](t, `{"trigger_reason":"completed_action","data":`+data+`}`).Kind(), data)
	}
}

func TestEvents_AcceptNullTimestampAndResult(t *testing.T) {
	e := given[emberqa.RedFlag](t, `{"webhook_id":null,"alert_type":"red_flag","timestamp":null}`)
	require.Equal(t, &emberqa.RedFlag{Event: e.Event}, e)
	require.True(t, e.Time.IsZero())
	f := given[emberqa.Completion](t, `{"trigger_reason":"completed_action","data":{"output_schema":{"a":{"value":null,"reasoning":null},"b":null}}}`)
	require.Equal(t, map[string]emberqa.OutputField{"a": {}, "b": {}}, f.Data.OutputSchema)
}

func TestUnknown_KeepsNewFieldsAndValues(t *testing.T) {
	e := given[emberqa.RedFlag](t, `{"alert_type":"red_flag","content_type":"Workflow","severity":5,"a/b":null,"score_details":{"new":[1]}}`)
	require.Equal(t, emberqa.ContentType("Workflow"), e.ContentType)
	require.Equal(t, map[string]json.RawMessage{
		"/severity": json.RawMessage(`5`),
		"/a~1b":     json.RawMessage(`null`),
	}, e.Unknown(), "score_details keeps its own")
	require.Equal(t, map[string]json.RawMessage{"new": json.RawMessage(`[1]`)}, e.ScoreDetails.Other)

	c := given[emberqa.Completion](t, `{"trigger_reason":"completed_action","data":{"status":"who knows","kind":"x","output_schema":{"f":{"value":"v","page":3}}}}`)
	require.Equal(t, map[string]json.RawMessage{
		"/data/kind":                 json.RawMessage(`"x"`),
		"/data/output_schema/f/page": json.RawMessage(`3`),
	}, c.Unknown())
}

func TestEnvelope_DocumentedTypeWins(t *testing.T) {
	for _, other := range []string{`""`, `null`, `false`, `"none"`, `{}`} {
		e := given[emberqa.Completion](t, `{"webhook_id":"w1","alert_type":`+other+`,"trigger_reason":"completed_action","content_id":"c1"}`)
		require.Equal(t, "c1", e.ContentID)
		f := given[emberqa.RedFlag](t, `{"webhook_id":"w1","trigger_reason":`+other+`,"alert_type":"red_flag","content_id":"c1"}`)
		require.Equal(t, "c1", f.ContentID)
	}
}

func TestLowScore_MayEqualItsThreshold(t *testing.T) {
	e := given[emberqa.LowScore](t, strings.Replace(string(vendor.Sample(t, "low_score")), `"total_score": 45`, `"total_score": 70`, 1))
	require.InDelta(t, e.TotalScoreThreshold, e.TotalScore, 0)
}
