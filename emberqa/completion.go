package emberqa

import "github.com/aihooks/aihooks-go/webhook"

// Completion says that the processing of a call, a document or a workflow has completed.
//
// Its webhook_id and trigger_reason are in the Event, as ID and Type. EmberQA sends no time with it: Time is zero.
type Completion struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of what was processed. It is not always a UUID.
	ContentID string         `json:"content_id"`
	Data      CompletionData `json:"data"`
}

// CompletionData is what came out of it. EmberQA sends what applies; a field that was not sent is nil.
type CompletionData struct {
	// Of calls and documents.
	ScoreDetails     *ScoreDetails `json:"score_details,omitzero"`
	OriginalFilename *string       `json:"original_filename,omitzero"`
	ScoreUUID        *string       `json:"score_uuid,omitzero"`
	CreatedTime      *string       `json:"created_time,omitzero"` // in a notation that is not documented
	AgentName        *string       `json:"agent_name,omitzero"`
	ReasonForCall    *string       `json:"reason_for_call,omitzero"`

	// Of workflows. OutputSchema holds the results by the names of their fields. A workflow that failed may have none.
	OutputSchema map[string]OutputField `json:"output_schema,omitzero"`

	// Status is "complete" in the example of EmberQA's webhook page, and pending, processing, completed or failed in its
	// API. Do not compare it with one spelling.
	Status *string `json:"status,omitzero"`

	Cost *float64 `json:"cost,omitzero"` // in a currency that is not documented
}

// An OutputField is one result of a workflow. Either may be nil: EmberQA then has none.
type OutputField struct {
	Value     *string `json:"value"`
	Reasoning *string `json:"reasoning"`
}

// A CompletionKind is what sort of thing was completed. There may be more than the constants one day.
type CompletionKind string

// The kinds that can be told apart.
const (
	// CompletionRecording is a call or a document; a completion does not say which.
	CompletionRecording CompletionKind = "recording"
	CompletionWorkflow  CompletionKind = "workflow"
)

// Kind returns what was completed. EmberQA does not name it: what has any of the fields that it lists for workflows
// (output_schema, status, cost) is a workflow.
func (c *Completion) Kind() CompletionKind {
	if c.Data.OutputSchema != nil || c.Data.Status != nil || c.Data.Cost != nil {
		return CompletionWorkflow
	}
	return CompletionRecording
}
