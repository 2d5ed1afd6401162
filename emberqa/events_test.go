package emberqa_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/internal/lossless"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEveryTypeHasACallbackMethodNamedAfterItsGoType(t *testing.T) {
	require.Len(t, emberqa.Profile().Events, 3)
	for _, e := range emberqa.Profile().Events {
		goType := reflect.TypeOf(e.New())
		method, ok := reflect.TypeFor[*emberqa.Handler]().MethodByName("On" + goType.Elem().Name())
		require.True(t, ok, "%s: no method On%s", e.Name(), goType.Elem().Name())
		require.Equal(t, goType, method.Type.In(1).In(1), e.Name())
		first := goType.Elem().Field(0)
		require.True(t, first.Anonymous)
		require.Equal(t, `json:"@event"`, string(first.Tag), e.Name())
	}
}

func TestEveryTypeHasADocumentedSample(t *testing.T) {
	sampled := make(map[string]int)
	for _, sample := range emberqatest.Samples() {
		require.True(t, sample.Documented)
		sampled[sample.Type]++
	}
	require.Equal(t, map[string]int{"red_flag": 1, "low_score": 1, "completed_action": 2}, sampled)
}

func TestNothingOfASampleIsLost(t *testing.T) {
	for _, sample := range emberqatest.Samples() {
		t.Run(sample.Name, func(t *testing.T) {
			r := newReceiver(t)
			request, err := r.sender.Request(sample.Body, time.Now(), "")
			require.NoError(t, err)
			w := httptest.NewRecorder()
			r.ServeHTTP(w, request)
			require.Equal(t, http.StatusOK, w.Code, w.Body)
			require.Len(t, r.events, 1)
			event := envelope(r.events[0])
			require.Equal(t, sample.Type, event.Type)
			require.Equal(t, sample.Body, event.Delivery().Body)
			require.Empty(t, event.Unknown())
			lossless.Check(t, r.sender.Profile.Envelope, sample.Body, r.events[0], event.Unknown())
		})
	}
}

// given returns the event that a callback is given for body.
func given[T any](t *testing.T, body string) *T {
	t.Helper()
	r := newReceiver(t)
	result := r.receive(body)
	require.Equal(t, webhook.Handled, result.Outcome, result.Err)
	lossless.Check(t, r.sender.Profile.Envelope, []byte(body), r.events[0], envelope(r.events[0]).Unknown())
	return r.events[0].(*T)
}

// sample returns the body of the sample of that name.
func sample(t *testing.T, name string) string {
	t.Helper()
	for _, s := range emberqatest.Samples() {
		if s.Name == name {
			return string(s.Body)
		}
	}
	require.Fail(t, "no sample", name)
	return ""
}

func TestARedFlagIsDecodedAsDocumented(t *testing.T) {
	e := given[emberqa.RedFlag](t, sample(t, "red_flag"))
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

func TestALowScoreIsDecodedAsDocumented(t *testing.T) {
	e := given[emberqa.LowScore](t, sample(t, "low_score"))
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

	e = given[emberqa.LowScore](t, strings.Replace(sample(t, "low_score"), `"Customer billing inquiry"`, "null", 1))
	require.Nil(t, e.Summary)
}

func TestACompletionSaysOfWhatKindItIs(t *testing.T) {
	e := given[emberqa.Completion](t, sample(t, "completion_workflow"))
	require.Equal(t, emberqa.CompletionWorkflow, e.Kind())
	require.Equal(t, "POL-2025-001234", *e.Data.OutputSchema["policy_number"].Value)
	require.Equal(t, "Extracted from policy ID field", *e.Data.OutputSchema["policy_number"].Reasoning)
	require.Equal(t, "complete", *e.Data.Status)
	require.InDelta(t, 0.45, *e.Data.Cost, 0)
	require.True(t, e.Time.IsZero())

	e = given[emberqa.Completion](t, sample(t, "completion_call"))
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
		`{}`:   emberqa.CompletionRecording,
		`null`: emberqa.CompletionRecording,
	} {
		require.Equal(t, want, given[emberqa.Completion](t, `{"trigger_reason":"completed_action","data":`+data+`}`).Kind(), data)
	}
}

func TestWhatIsOptionalMayBeLeftOutOrNull(t *testing.T) {
	for _, body := range []string{
		`{"webhook_id":"w1","alert_type":"red_flag"}`,
		`{"webhook_id":null,"alert_type":"red_flag","content_type":null,"agent_name":null,"total_score":null,"score_details":null,"timestamp":null}`,
	} {
		e := given[emberqa.RedFlag](t, body)
		require.Equal(t, &emberqa.RedFlag{Event: e.Event}, e)
	}
	e := given[emberqa.LowScore](t, `{"alert_type":"low_score","summary":null,"score_details":null,"agent_name":null,"total_score":null}`)
	require.Empty(t, e.ScoreDetails.Metrics)
	f := given[emberqa.Completion](t, `{"trigger_reason":"completed_action","data":{"output_schema":{"a":{"value":null,"reasoning":null},"b":null}}}`)
	require.Equal(t, map[string]emberqa.OutputField{"a": {}, "b": {}}, f.Data.OutputSchema)
}

func TestUnknownFieldsAndValuesNeverFailAndAreShown(t *testing.T) {
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

func TestAnUnknownTypeIsUnhandled(t *testing.T) {
	for _, body := range []string{`{"alert_type":"silence"}`, `{"trigger_reason":"started"}`, `{"data":{}}`, `{}`, `{"alert_type":7}`} {
		result := newReceiver(t).receive(body)
		require.Equal(t, webhook.Unhandled, result.Outcome, body)
		require.Equal(t, http.StatusOK, result.Status, body)
	}
}

func TestAFieldOfAnotherTypeIsUndecodableAndNamed(t *testing.T) {
	for field, body := range map[string]string{
		"content_id":                     `{"alert_type":"red_flag","content_id":17}`,
		"content_type":                   `{"alert_type":"red_flag","content_type":["Call"]}`,
		"total_score":                    `{"alert_type":"low_score","total_score":"45"}`,
		"RedFlag.score_details":          `{"alert_type":"red_flag","score_details":[]}`,
		"LowScore.score_details":         `{"alert_type":"low_score","score_details":"none"}`,
		"data.score_details":             `{"trigger_reason":"completed_action","data":{"score_details":5}}`,
		"data.cost":                      `{"trigger_reason":"completed_action","data":{"cost":"0.45"}}`,
		"Completion.data":                `{"trigger_reason":"completed_action","data":[]}`,
		"data.output_schema.value":       `{"trigger_reason":"completed_action","data":{"output_schema":{"f":{"value":17}}}}`,
		"data.output_schema of type map": `{"trigger_reason":"completed_action","data":{"output_schema":[]}}`,
	} {
		t.Run(field, func(t *testing.T) {
			r := newReceiver(t)
			r.Handler.OnUnhandled(func(context.Context, *webhook.Delivery) error {
				t.Error("it is not unhandled")
				return nil
			})
			for range 2 {
				result := r.receive(body)
				require.Equal(t, webhook.Undecodable, result.Outcome)
				require.Equal(t, http.StatusInternalServerError, result.Status)
				require.ErrorContains(t, result.Err, field)
				require.JSONEq(t, `{"received":false}`, string(result.Body), "the field is none of the sender's business")
			}
			require.Empty(t, r.events)
		})
	}
}

func TestSamplesAreTheCallersOwn(t *testing.T) {
	clear(emberqatest.Samples()[0].Body)
	require.True(t, json.Valid(emberqatest.Samples()[0].Body))
}
