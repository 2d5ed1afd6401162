package inbox

import (
	"encoding/json"
	"math"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// An Attempt is one run of a delivery.
type Attempt struct {
	// At is when the run began.
	At time.Time `json:"at"`

	// Took is how long the run took. In JSON it is "took_ms", in milliseconds.
	Took time.Duration `json:"-"`

	// Outcome and Reason are those of the handler's result. Outcome is [Lost] if the process was lost.
	Outcome webhook.Outcome `json:"outcome"`
	Reason  webhook.Reason  `json:"reason,omitempty"`

	// Error is the text of the callback's error, or of the error that kept the callback from running. It is cut off after
	// 4096 bytes.
	Error string `json:"error,omitempty"`

	// Counted reports whether the attempt counts toward [Policy.MaxAttempts].
	Counted bool `json:"counted"`
}

// MarshalJSON writes Took in milliseconds.
func (a Attempt) MarshalJSON() ([]byte, error) {
	type fields Attempt // without MarshalJSON
	return json.Marshal(struct {
		fields
		TookMS float64 `json:"took_ms"`
	}{fields(a), float64(a.Took) / float64(time.Millisecond)})
}

// UnmarshalJSON reads what MarshalJSON writes.
func (a *Attempt) UnmarshalJSON(text []byte) error {
	type fields Attempt
	f := struct {
		*fields
		TookMS float64 `json:"took_ms"`
	}{fields: (*fields)(a)}
	if err := json.Unmarshal(text, &f); err != nil {
		return err
	}
	a.Took = time.Duration(math.Round(f.TookMS * float64(time.Millisecond)))
	return nil
}

// Lost is the outcome of an attempt whose process was lost: its lease ended without a result.
const Lost webhook.Outcome = "lost"
