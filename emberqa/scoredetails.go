package emberqa

import (
	"encoding/json"
	"strings"
)

// ScoreDetails are scores, metric by metric. EmberQA sends one object in which "{metric}_score" is a number and
// "{metric}_justification" a text; here, the two stand together. It is written back as it was sent.
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
	*d = ScoreDetails{}
	for name, raw := range entries {
		if !d.readMetric(name, raw) {
			if d.Other == nil {
				d.Other = make(map[string]json.RawMessage)
			}
			d.Other[name] = raw
		}
	}
	return nil
}

// readMetric reports false for an entry that is not part of a metric.
func (d *ScoreDetails) readMetric(name string, raw json.RawMessage) bool {
	if string(raw) == "null" {
		return false // not the same as nothing
	}
	if metric, ok := strings.CutSuffix(name, suffixScore); ok {
		var score float64
		return json.Unmarshal(raw, &score) == nil && d.set(metric, func(m *Metric) { m.Score = &score })
	}
	if metric, ok := strings.CutSuffix(name, suffixJustification); ok {
		var text string
		return json.Unmarshal(raw, &text) == nil && d.set(metric, func(m *Metric) { m.Justification = &text })
	}
	return false
}

func (d *ScoreDetails) set(name string, change func(*Metric)) bool {
	if d.Metrics == nil {
		d.Metrics = make(map[string]Metric)
	}
	metric := d.Metrics[name]
	change(&metric)
	d.Metrics[name] = metric
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
