package emberqa

import (
	"encoding/json"
	"strings"

	"github.com/aihooks/aihooks-go/webhook"
)

// RedFlag reports that red flag criteria were detected in a call or document.
//
// Event holds its webhook_id, alert_type and timestamp as ID, Type and Time.
type RedFlag struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of the call or document. It is not always a UUID, although EmberQA's page says so.
	ContentID     string        `json:"content_id"`
	ContentType   ContentType   `json:"content_type"`
	FileName      string        `json:"file_name"`
	AgentName     *string       `json:"agent_name,omitzero"` // nil if not sent
	RedFlagReason string        `json:"red_flag_reason"`
	TotalScore    *float64      `json:"total_score,omitzero"`   // nil if not sent
	ScoreDetails  *ScoreDetails `json:"score_details,omitzero"` // nil if not sent
}

// LowScore reports that a score is at or below the threshold that you have configured. TotalScore may equal
// TotalScoreThreshold: EmberQA's webhook page says "below", but its page on alerts says "at or below".
//
// Event holds its webhook_id, alert_type and timestamp as ID, Type and Time.
type LowScore struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of the call or document. It is not always a UUID.
	ContentID           string       `json:"content_id"`
	ContentType         ContentType  `json:"content_type"`
	TotalScore          float64      `json:"total_score"`
	TotalScoreThreshold float64      `json:"total_score_threshold"`
	FileName            string       `json:"file_name"`
	AgentName           string       `json:"agent_name"`
	Summary             *string      `json:"summary"` // nil if EmberQA has no summary
	ScoreDetails        ScoreDetails `json:"score_details"`
}

// A ContentType is the type of content that an alert is about. EmberQA may send other values than the constants, because
// its page on alerts also mentions workflows.
type ContentType string

// The content types that EmberQA's webhook page lists.
const (
	ContentCall     ContentType = "Call"
	ContentDocument ContentType = "Document"
)

// Completion reports that the processing of a call, a document or a workflow has completed.
//
// Event holds its webhook_id and trigger_reason as ID and Type. Time is zero, because EmberQA sends no time.
type Completion struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of the call, document or workflow. It is not always a UUID.
	ContentID string         `json:"content_id"`
	Data      CompletionData `json:"data"`
}

// CompletionData is the result of the processing. EmberQA sends the fields that apply. A field that was not sent is nil.
type CompletionData struct {
	// The next six fields are sent for calls and documents.
	ScoreDetails     *ScoreDetails `json:"score_details,omitzero"`
	OriginalFilename *string       `json:"original_filename,omitzero"`
	ScoreUUID        *string       `json:"score_uuid,omitzero"`
	CreatedTime      *string       `json:"created_time,omitzero"` // the format is not documented
	AgentName        *string       `json:"agent_name,omitzero"`
	ReasonForCall    *string       `json:"reason_for_call,omitzero"`

	// OutputSchema holds the results of a workflow by field name. A workflow that failed may have no results.
	OutputSchema map[string]OutputField `json:"output_schema,omitzero"`

	// Status is the status of a workflow. It is "complete" in the example on EmberQA's webhook page, but pending,
	// processing, completed or failed in its API. Do not compare it with one spelling only.
	Status *string `json:"status,omitzero"`

	// Cost is the cost of a workflow. Its currency is not documented.
	Cost *float64 `json:"cost,omitzero"`
}

// An OutputField is one result of a workflow. A field is nil if EmberQA sent null or nothing.
type OutputField struct {
	Value     *string `json:"value"`
	Reasoning *string `json:"reasoning"`
}

// A CompletionKind tells what was completed. Later versions may have more constants.
type CompletionKind string

// The kinds that a Completion can be distinguished by.
const (
	// CompletionRecording is a call or a document. A completion does not say which of the two.
	CompletionRecording CompletionKind = "recording"
	CompletionWorkflow  CompletionKind = "workflow"
)

// Kind returns what was completed. EmberQA does not send it, so Kind looks at the fields. A completion with output_schema,
// status or cost is a workflow, because EmberQA lists these fields for workflows only.
func (c *Completion) Kind() CompletionKind {
	if c.Data.OutputSchema != nil || c.Data.Status != nil || c.Data.Cost != nil {
		return CompletionWorkflow
	}
	return CompletionRecording
}

// ScoreDetails holds the score of each metric. EmberQA sends one object, in which "{metric}_score" is a number and
// "{metric}_justification" is a text. ScoreDetails combines the two in a [Metric]. Marshaling it restores EmberQA's
// object.
type ScoreDetails struct {
	// Metrics holds the metrics by name. The name of professionalism_score is "professionalism".
	Metrics map[string]Metric

	// Other holds all other entries by their full name, such as a score that is not a number.
	Other map[string]json.RawMessage
}

// A Metric is one scored metric. A field that was not sent is nil.
type Metric struct {
	Score         *float64 // from 0 to 10
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

// readMetric adds an entry to its metric. It returns false if the entry is not part of a metric.
func (d *ScoreDetails) readMetric(name string, raw json.RawMessage) bool {
	metric, isScore := strings.CutSuffix(name, suffixScore)
	metric, isJustification := strings.CutSuffix(metric, suffixJustification)
	if isScore == isJustification || string(raw) == "null" { // as nil, a null would be lost
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

// MarshalJSON writes the object in EmberQA's format.
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
