package emberqa

import (
	"encoding/json"
	"strings"
)

// ScoreDetails are scores, metric by metric. EmberQA sends one object in which "{metric}_score" is a number and
// "{metric}_justification" a text; here, the two stand together. Written as JSON, it is again what EmberQA sent.
type ScoreDetails struct {
	// Metrics holds the metrics by name: "professionalism", for professionalism_score.
	Metrics map[string]Metric

	// Other holds what is neither, by its full name: an entry of another name, or a score that is not a number.
	Other map[string]json.RawMessage
}

// A Metric is one thing that was scored. What was not sent is nil.
type Metric struct {
	Score         *float64 // 0 to 10
	Justification *string
}

const (
	suffixScore         = "_score"
	suffixJustification = "_justification"
)

// UnmarshalJSON reads the object that EmberQA sends.
func (d *ScoreDetails) UnmarshalJSON(data []byte) error {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(data, &entries); err != nil {
		return err
	}
	*d = ScoreDetails{Metrics: make(map[string]Metric), Other: make(map[string]json.RawMessage)}
	for name, raw := range entries {
		if !d.readMetric(name, raw) {
			d.Other[name] = raw
		}
	}
	return nil
}

// readMetric reports false for an entry that is not part of a metric.
func (d *ScoreDetails) readMetric(name string, raw json.RawMessage) bool {
	metric, isScore := strings.CutSuffix(name, suffixScore)
	metric, isJustification := strings.CutSuffix(metric, suffixJustification)
	if isScore == isJustification || string(raw) == "null" { // a nil would not say that a null was sent
		return false
	}
	m := d.Metrics[metric]
	var field any = &m.Score
	if isJustification {
		field = &m.Justification
	}
	if json.Unmarshal(raw, field) != nil {
		return false
	}
	d.Metrics[metric] = m
	return true
}

// MarshalJSON writes the object that EmberQA would send.
func (d ScoreDetails) MarshalJSON() ([]byte, error) {
	entries := make(map[string]any, len(d.Other)+2*len(d.Metrics))
	for name, raw := range d.Other {
		entries[name] = raw
	}
	for name, metric := range d.Metrics {
		if metric.Score != nil {
			entries[name+suffixScore] = *metric.Score
		}
		if metric.Justification != nil {
			entries[name+suffixJustification] = *metric.Justification
		}
	}
	return json.Marshal(entries)
}
