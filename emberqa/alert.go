package emberqa

import "github.com/aihooks/aihooks-go/webhook"

// RedFlag says that red flag criteria were detected in a call or document.
//
// Its webhook_id, alert_type and timestamp are in the Event, as ID, Type and Time.
type RedFlag struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of the call or document. It is not always a UUID, whatever EmberQA's page says.
	ContentID     string        `json:"content_id"`
	ContentType   ContentType   `json:"content_type"`
	FileName      string        `json:"file_name"`
	AgentName     *string       `json:"agent_name,omitzero"` // nil if not sent
	RedFlagReason string        `json:"red_flag_reason"`
	TotalScore    *float64      `json:"total_score,omitzero"`   // nil if not sent
	ScoreDetails  *ScoreDetails `json:"score_details,omitzero"` // nil if not sent
}

// LowScore says that a score is at or below the threshold that you have configured. EmberQA's webhook page says "below",
// its page on alerts "at or below": TotalScore may equal TotalScoreThreshold.
//
// Its webhook_id, alert_type and timestamp are in the Event, as ID, Type and Time.
type LowScore struct {
	webhook.Event `json:"@event"`

	// ContentID is the id of the call or document. It is not always a UUID.
	ContentID           string       `json:"content_id"`
	ContentType         ContentType  `json:"content_type"`
	TotalScore          float64      `json:"total_score"`
	TotalScoreThreshold float64      `json:"total_score_threshold"`
	FileName            string       `json:"file_name"`
	AgentName           string       `json:"agent_name"`
	Summary             *string      `json:"summary"` // nil if there is none
	ScoreDetails        ScoreDetails `json:"score_details"`
}

// A ContentType is what an alert is about. There may be more than the constants: EmberQA's page on alerts speaks of
// workflows, too.
type ContentType string

// The content types that EmberQA's webhook page lists.
const (
	ContentCall     ContentType = "Call"
	ContentDocument ContentType = "Document"
)
