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

// Kind is the kind of River's jobs that are deliveries.
const Kind = "aihooks_delivery"

// args are the arguments of a job. River stores them as jsonb, which normalizes JSON and knows no NUL: what must come back
// as it was travels as base64, and the rest is for people and for queries.
type args struct {
	Key      string `json:"key" river:"unique"`
	Vendor   string `json:"vendor"`
	Endpoint string `json:"endpoint"`
	Type     string `json:"type"`
	ID       string `json:"id"`

	Delivery []byte `json:"delivery"` // as JSON, without its body
	Body     []byte `json:"body"`

	// Discarded jobs are there for their key alone.
	Discarded bool `json:"discarded,omitempty"`

	// River asks after Work, on the same job, how long a job rests that has failed. One that was rescued is not failed.
	failed bool
	rest   time.Duration
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

// storable returns text as jsonb takes it.
func storable(text string) string {
	if utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 {
		return text
	}
	return strconv.QuoteToASCII(text)
}

// insertOpts are those of a delivery's job. River's own count of attempts decides nothing: which of them count, and what
// happens after the last, is the policy's business, also where its MaxAttempts has changed since.
func insertOpts(queue string) *river.InsertOpts {
	return &river.InsertOpts{
		Queue:       queue,
		MaxAttempts: math.MaxInt16,
		UniqueOpts:  river.UniqueOpts{ByArgs: true, ByState: rivertype.JobStates()}, // the default leaves out the dead ones
	}
}

// controlQueue is the queue of what is not for a callback. River works nothing at all without a queue at the start.
const controlQueue = "aihooks"

var queueRule = regexp.MustCompile(`^[a-z0-9]+([_-]?[a-z0-9]+)*$`)

// queueOf is the queue of a vendor's endpoint. Each has its own, so that a Run takes nothing that it has no handler for.
func queueOf(vendor, endpoint string) string {
	name := controlQueue + "|" + vendor + "|" + endpoint
	const longest = 64
	if queueRule.MatchString(vendor) && queueRule.MatchString(endpoint) && len(name) <= longest {
		return name
	}
	sum := sha256.Sum256([]byte(vendor + "\x00" + endpoint))
	return controlQueue + "|" + hex.EncodeToString(sum[:16])
}

// A record is what is kept of a delivery's runs: as the job's output, which River stores together with the job's next
// state, whatever that is.
type record struct {
	Attempts []inbox.Attempt `json:"attempts"`

	// Tried is how many of them count since the delivery was stored, or was last brought back.
	Tried int `json:"tried"`

	// Seen is River's own count when this was written. A job that has more has been lost in between.
	Seen int `json:"seen"`

	// Alone is River's count of the attempt that runs as a suspect, next to no other suspect of its process. It is written
	// before the attempt begins, so that one which only waited for its turn is not blamed for a loss.
	Alone int `json:"alone,omitempty"`

	// Due is when the job is due, by the database's clock, where River could not be told; see Inbox.inDatabase.
	Due *time.Time `json:"due,omitempty"`

	// Reruns is how often it was rerun.
	Reruns int `json:"reruns,omitempty"`

	// Deferred says that there was no callback for it.
	Deferred bool `json:"deferred,omitempty"`
}

// recordOf returns the record of a job of which River has counted n attempts that are over.
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

// lost is the attempt that River has counted and nobody has put down.
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
	return a
}

func (r *record) append(a inbox.Attempt) {
	a.Error = strings.ReplaceAll(a.Error, "\x00", "\uFFFD") // jsonb has none
	r.Attempts = engine.Append(r.Attempts, a)
	if a.Counted {
		r.Tried++
	}
}
