package inbox

import "time"

// Stats has the numbers of entries in each state, in total and for each endpoint. See [Inbox.Stats].
type Stats struct {
	Counts

	// Endpoints has the counts of each endpoint that has entries. Its keys are "vendor/endpoint", such as
	// "greenflash/default".
	Endpoints map[string]Counts `json:"endpoints"`

	// Oldest is when the pending delivery that has waited longest was due, by the clock of this process. Zero if none is
	// due.
	Oldest time.Time `json:"oldest,omitzero"`
}

// Counts has the numbers of entries in each state.
type Counts struct {
	Pending      int `json:"pending"`
	Running      int `json:"running"`
	Deferred     int `json:"deferred"`
	DeadLettered int `json:"dead_lettered"`
	Done         int `json:"done"`
}

// Add adds n entries in a state.
func (c *Counts) Add(s State, n int) {
	switch s {
	case Pending:
		c.Pending += n
	case Running:
		c.Running += n
	case Deferred:
		c.Deferred += n
	case DeadLettered:
		c.DeadLettered += n
	case Done:
		c.Done += n
	}
}
