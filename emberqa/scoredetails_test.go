package emberqa_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
)

func TestScoreDetails_RoundTripsJSON(t *testing.T) {
	for _, text := range []string{
		`{}`,
		`{"tone_score":8,"tone_justification":"friendly"}`,
		`{"tone_score":0,"clarity_justification":""}`,
		`{"tone_score":7.333333333333333,"tone_justification":"\u003c7.5\u003e"}`,
		`{"tone_score":"eight","tone_justification":5}`,
		`{"tone_score":null,"tone_justification":null}`,
		`{"tone_score":{"value":8},"tone":8,"overall":"good","score":1,"justification":"j"}`,
		`{"_score":1,"_justification":"nameless"}`,
		`{"a_score_justification":"j","a_score_score":1,"a_justification_score":2,"a_score":3}`,
		`{"tone_score":1e400}`,
	} {
		var d emberqa.ScoreDetails
		require.NoError(t, json.Unmarshal([]byte(text), &d))
		written, err := json.Marshal(d)
		require.NoError(t, err)
		require.Equal(t, entries(t, text), entries(t, string(written)))
		pointed, err := json.Marshal(&d)
		require.NoError(t, err)
		require.Equal(t, written, pointed)
	}
}

func entries(t *testing.T, text string) map[string]string {
	t.Helper()
	var raw map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(text), &raw))
	plain := make(map[string]string, len(raw))
	for name, value := range raw {
		plain[name] = string(value)
	}
	return plain
}

func TestScoreDetails_DecodesTypedMetrics(t *testing.T) {
	var d emberqa.ScoreDetails
	require.NoError(t, json.Unmarshal([]byte(`{
		"tone_score": 8, "tone_justification": "friendly",
		"pace_score": "fast", "pace_justification": "rushed",
		"first_score_score": 1,
		"call_type": "inbound"
	}`), &d))
	require.InDelta(t, 8, *d.Metrics["tone"].Score, 0)
	require.Equal(t, "friendly", *d.Metrics["tone"].Justification)
	require.Nil(t, d.Metrics["pace"].Score)
	require.Equal(t, "rushed", *d.Metrics["pace"].Justification)
	require.InDelta(t, 1, *d.Metrics["first_score"].Score, 0)
	require.Len(t, d.Metrics, 3)
	require.Equal(t, map[string]json.RawMessage{
		"pace_score": json.RawMessage(`"fast"`),
		"call_type":  json.RawMessage(`"inbound"`),
	}, d.Other)
}

func TestScoreDetails_ReplacesEarlierValue(t *testing.T) {
	var d emberqa.ScoreDetails
	require.NoError(t, json.Unmarshal([]byte(`{"a_score":1,"x":1}`), &d))
	require.NoError(t, json.Unmarshal([]byte(`{"b_score":2}`), &d))
	require.NotContains(t, d.Metrics, "a")
	require.Empty(t, d.Other)
}
