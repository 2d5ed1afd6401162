package riverinbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// Kind is the kind of the River jobs that are deliveries.
const Kind = "aihooks_delivery"

// args are the arguments of a job. River stores them as jsonb, which normalizes JSON and cannot contain NUL. What must
// stay byte for byte is stored as base64. The other fields are for queries and for people.
type args struct {
	Key      string `json:"key" river:"unique"`
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`
	Type     string `json:"type"`
	ID       string `json:"id"`

	Delivery []byte `json:"delivery"` // as JSON, without its body
	Body     []byte `json:"body"`

	// Discarded jobs keep only their key, so that the delivery stays a duplicate.
	Discarded bool `json:"discarded,omitempty"`

	// ReceivedAt is set only for discarded jobs.
	ReceivedAt time.Time `json:"received_at,omitzero"`

	// Work sets these for NextRetry, which River calls with the same job after Work has failed. A rescued job has failed == false.
	failed     bool
	retryDelay time.Duration
}

// Kind implements [river.JobArgs].
func (args) Kind() string { return Kind }

func argsOf(d *webhook.Delivery) (args, error) {
	if len(d.Keys) == 0 {
		return args{}, fmt.Errorf("riverinbox: the delivery %.40q has no key", d.ID)
	}
	head := *d
	head.Body = nil
	text, err := json.Marshal(&head)
	if err != nil {
		return args{}, fmt.Errorf("riverinbox: %w", err)
	}
	return args{
		Key: storable(d.Keys[0]), Vendor: storable(d.Vendor), Endpoint: storable(d.Endpoint), Type: storable(d.Type), ID: storable(d.ID),
		Delivery: text, Body: d.Body,
	}, nil
}

func (a *args) delivery() (*webhook.Delivery, error) {
	d := new(webhook.Delivery)
	if err := json.Unmarshal(a.Delivery, d); err != nil {
		return nil, fmt.Errorf("riverinbox: a stored delivery cannot be read: %w", err)
	}
	d.Body = a.Body
	return d, nil
}

// storable returns text in a form that jsonb accepts.
func storable(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strconv.QuoteToASCII(text)
}

// insertOpts returns the options of a delivery's job. River's own MaxAttempts must decide nothing. The policy decides
// which attempts count and when to give up, also if its MaxAttempts has changed since the job was stored.
func insertOpts(queue string) *river.InsertOpts {
	return &river.InsertOpts{
		Queue:       queue,
		MaxAttempts: math.MaxInt16,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()}, // the default leaves out cancelled and discarded jobs
	}
}

// controlQueue is the queue of jobs without a callback. River starts no work at all without a queue.
const controlQueue = "aihooks"

var queueRule = regexp.MustCompile(`^[a-z0-9]+([_-]?[a-z0-9]+)*$`)

// queueOf returns the queue of a vendor's endpoint. Each endpoint has a queue, so that a Run fetches only what it has a
// handler for.
func queueOf(vendor, endpoint string) string {
	name := controlQueue + "|" + vendor + "|" + endpoint
	const longest = 64
	if queueRule.MatchString(vendor) && queueRule.MatchString(endpoint) && len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(vendor + "\x00" + endpoint))
	return controlQueue + "|" + hex.EncodeToString(sum[:16])
}

// A record is the history of a delivery's attempts. It is the job's output, which River stores together with the job's
// next state.
type record struct {
	Attempts []inbox.Attempt `json:"attempts"`

	// Tried is how many attempts count since the delivery was stored, or since its last Retry or Rerun.
	Tried int `json:"tried"`

	// Seen is River's attempt count when this record was written. Attempts after it were lost.
	Seen int `json:"seen"`

	// Alone is River's count of the attempt that runs as the only suspect of its process. It is written before the
	// attempt begins, so that a suspect which only waited is not blamed for a lost process.
	Alone int `json:"alone,omitempty"`

	// Due is when the job is due by the database's clock, if River did not accept that time. See Inbox.inDatabase.
	Due *time.Time `json:"due,omitempty"`

	// Reruns is how often it was rerun.
	Reruns int `json:"reruns,omitempty"`

	// Deferred reports that no callback was registered for the delivery's type.
	Deferred bool `json:"deferred,omitempty"`
}

// recordOf returns the record of a job for which River has counted n finished attempts.
func recordOf(row *rivertype.JobRow, n int) (*record, error) {
	var metadata struct {
		Output *record `json:"output"`
	}
	if err := json.Unmarshal(row.Metadata, &metadata); err != nil {
		return nil, fmt.Errorf("riverinbox: the attempts of job %d cannot be read: %w", row.ID, err)
	}
	r := metadata.Output
	if r == nil {
		r = new(record)
	}
	for ; r.Seen < n; r.Seen++ {
		a := lost(row, r.Seen+1)
		a.Counted = r.Alone == r.Seen+1
		r.append(a)
	}
	r.Alone, r.Due = 0, nil
	return r, nil
}

// lost returns an attempt that River has counted and no process has recorded.
func lost(row *rivertype.JobRow, attempt int) inbox.Attempt {
	a := inbox.Attempt{Outcome: inbox.Lost, At: time.Now()}
	if row.AttemptedAt != nil {
		a.At = *row.AttemptedAt
	}
	for _, e := range row.Errors {
		if e.Attempt == attempt {
			a.At, a.Error = e.At, e.Error
		}
	}
	a.At = a.At.UTC()
	return a
}

func (r *record) append(a inbox.Attempt) {
	a.Error = strings.ReplaceAll(a.Error, "\x00", "\uFFFD") // jsonb cannot contain NUL
	r.Attempts = engine.Append(r.Attempts, a)
	if a.Counted {
		r.Tried++
	}
}
