package inbox

import (
	"encoding/json"
	"math"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// An Attempt is one run of a delivery.
type Attempt struct {
	// At is when it began.
	At time.Time `json:"at"`

	// Took is how long it lasted. In JSON it is "took_ms", a number of milliseconds.
	Took time.Duration `json:"-"`

	// Outcome and Reason are the handler's, or [Lost].
	Outcome webhook.Outcome `json:"outcome"`
	Reason  webhook.Reason  `json:"reason,omitempty"`

	// Error is the text of the callback's error, or of what kept it from being run. It is cut off after 4096 bytes.
	Error string `json:"error,omitempty"`

	// Counted says whether the attempt is one of [Policy.MaxAttempts].
	Counted bool `json:"counted"`
}

// MarshalJSON writes Took in milliseconds.
func (a Attempt) MarshalJSON() ([]byte, error) {
	type fields Attempt // without this method
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

// Lost is the outcome of an attempt whose process was not heard of again.
const Lost webhook.Outcome = "lost"
