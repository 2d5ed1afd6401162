package greenflash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/greenflash/greenflashtest"
	"github.com/aihooks/aihooks-go/internal/lossless"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEveryTypeHasACallbackMethodNamedAfterItsGoType(t *testing.T) {
	require.Len(t, greenflash.Profile().Events, 12)
	for _, e := range greenflash.Profile().Events {
		goType := reflect.TypeOf(e.New())
		method, ok := reflect.TypeFor[*greenflash.Handler]().MethodByName("On" + goType.Elem().Name())
		require.True(t, ok, "%s: no method On%s", e.Name(), goType.Elem().Name())
		require.Equal(t, goType, method.Type.In(1).In(1), e.Name())
		first := goType.Elem().Field(0)
		require.True(t, first.Anonymous)
		require.Equal(t, `json:"@event"`, string(first.Tag), e.Name())
	}
}

func TestEveryTypeHasASample(t *testing.T) {
	sampled := make(map[string]bool)
	for _, sample := range greenflashtest.Samples() {
		require.False(t, sample.Documented, "Greenflash documents none")
		sampled[sample.Type] = true
	}
	for _, e := range greenflash.Profile().Events {
		require.True(t, sampled[e.Name()], e.Name())
		delete(sampled, e.Name())
	}
	require.Empty(t, sampled)
}

func TestNothingOfASampleIsLost(t *testing.T) {
	for _, sample := range greenflashtest.Samples() {
		t.Run(sample.Name, func(t *testing.T) {
			onADay(t, func(t *testing.T) {
				r := newReceiver(t, greenflash.Config{})
				body := r.sender.Stamp(sample.Body, time.Now())
				request, err := r.sender.Request(body, time.Now(), "d1")
				require.NoError(t, err)
				w := httptest.NewRecorder()
				r.ServeHTTP(w, request)
				require.Equal(t, http.StatusOK, w.Code, w.Body)
				require.Len(t, r.events, 1)
				event := envelope(r.events[0])
				require.Equal(t, sample.Type, event.Type)
				require.Equal(t, time.Now().Unix(), event.Time.Unix())
				require.Equal(t, body, event.Delivery().Body)
				require.Empty(t, event.Unknown())
				lossless.Check(t, r.sender.Profile.Envelope, body, r.events[0], event.Unknown())
			})
		})
	}
}

// envelope returns the webhook.Event of a typed event.
func envelope(event any) *webhook.Event {
	return reflect.ValueOf(event).Elem().FieldByName("Event").Addr().Interface().(*webhook.Event)
}

// given returns the event that a callback is given for body.
func given[T any](t *testing.T, body string) *T {
	t.Helper()
	r := newReceiver(t, greenflash.Config{})
	result := r.receive(r.sent("", body, time.Now(), "d1"))
	require.Equal(t, webhook.Handled, result.Outcome, result.Err)
	lossless.Check(t, r.sender.Profile.Envelope, []byte(body), r.events[0], envelope(r.events[0]).Unknown())
	return r.events[0].(*T)
}

func TestTheEnvelopeIsReadUnderAllOfItsNames(t *testing.T) {
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

func TestWhatWasNotSentOrIsNullIsNil(t *testing.T) {
	for _, data := range []string{
		`{}`,
		`{"conversationId":null,"frustration":null,"topic":null,"summary":null,"keywords":null}`,
	} {
		e := given[greenflash.ConversationFrustration](t, `{"type":"conversation.frustration","id":null,"data":`+data+`}`)
		require.Equal(t, greenflash.Conversation{}, e.Conversation)
		require.Nil(t, e.Frustration)
		require.Empty(t, e.ID)
		require.Empty(t, e.Unknown())
	}
	e := given[greenflash.CustomAnalysisEvidenceFound](t, `{"type":"custom_analysis.evidence_found","triggers":[{"triggerType":null},{}]}`)
	require.Equal(t, []greenflash.Trigger{{}, {}}, e.Triggers)
	require.Equal(t, greenflash.Trigger{}, e.Trigger)
}

func TestZeroIsNotTheSameAsNotSent(t *testing.T) {
	e := given[greenflash.ConversationRating](t, `{"type":"conversation.rating","data":{"rating":0,"feedback":"","keywords":[]}}`)
	require.NotNil(t, e.Rating)
	require.NotNil(t, e.Feedback)
	require.NotNil(t, e.Keywords)
	e.Event = webhook.Event{Type: e.Type}
	text, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, `{"@event":{"type":"conversation.rating"},"rating":0,"feedback":"","keywords":[]}`, string(text))
}

func TestUnknownFieldsAndValuesNeverFailAndAreShown(t *testing.T) {
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

func TestAnUnknownTypeIsUnhandled(t *testing.T) {
	for _, body := range []string{`{"type":"conversation.renamed","data":{}}`, `{"data":{}}`, `{}`, `{"type":{}}`, `{"type":""}`} {
		r := newReceiver(t, greenflash.Config{})
		result := r.receive(r.sent("", body, time.Now(), "d1"))
		require.Equal(t, webhook.Unhandled, result.Outcome, body)
		require.Equal(t, http.StatusOK, result.Status, body)
	}
}

func TestAFieldOfAnotherTypeIsUndecodableAndNamed(t *testing.T) {
	for field, body := range map[string]string{
		"conversationId":           `{"type":"conversation.started","data":{"conversationId":17}}`,
		"keywords":                 `{"type":"conversation.started","data":{"keywords":"refund"}}`,
		"conversationQualityIndex": `{"type":"conversation.quality_index","conversationQualityIndex":"low"}`,
		"frustration":              `{"type":"conversation.frustration","data":{"frustration":0.8}}`,
		"sentiment.score":          `{"type":"conversation.sentiment","data":{"sentiment":{"score":"bad"}}}`,
		"rating":                   `{"type":"conversation.rating","data":{"rating":{"value":2}}}`,
		"productQualityIndex":      `{"type":"product.quality_index","data":{"productQualityIndex":[57]}}`,
		"severity":                 `{"type":"custom_analysis.evidence_found","data":{"severity":"high"}}`,
		"triggers.reason":          `{"type":"custom_analysis.evidence_found","data":{"triggers":[{},{"reason":1}]}}`,
		"array":                    `{"type":"conversation.started","data":[]}`, // no field, but what was found
	} {
		t.Run(field, func(t *testing.T) {
			r := newReceiver(t, greenflash.Config{})
			r.Handler.OnUnhandled(func(context.Context, *webhook.Delivery) error {
				t.Error("it is not unhandled")
				return nil
			})
			m := r.sent("", body, time.Now(), "d1")
			for range 2 {
				result := r.receive(m)
				require.Equal(t, webhook.Undecodable, result.Outcome)
				require.Equal(t, http.StatusInternalServerError, result.Status)
				require.ErrorContains(t, result.Err, field)
				require.False(t, bytes.Contains(result.Body, []byte(field)), "none of the sender's business")
			}
			require.Zero(t, r.runs())
		})
	}
}

func TestSamplesAreTheCallersOwn(t *testing.T) {
	clear(greenflashtest.Samples()[0].Body)
	require.True(t, json.Valid(greenflashtest.Samples()[0].Body))
}
