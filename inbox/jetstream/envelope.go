package jetstreaminbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
	"github.com/aihooks/aihooks-go/webhook"
)

// The headers of a message. Its payload is the body as it was received; what does not fit into headers comes after it.
const (
	headerDelivery = "Aihooks-Delivery" // the delivery without its body, as JSON
	headerState    = "Aihooks-State"    // see state; only on what has been moved, or has more than its body
)

// A state is what is to be known of a message that is not as it was enqueued.
type state struct {
	Tried int    `json:"tried,omitempty"` // attempts so far that count
	Rerun int    `json:"rerun,omitempty"` // how often it was to be run again whatever became of it
	Body  int    `json:"body"`            // how long the body is; what follows in the payload is an extra
	From  string `json:"from,omitempty"`  // the position of the message that was moved here
}

// An extra follows the body.
type extra struct {
	Delivery json.RawMessage `json:"delivery,omitempty"` // where it is too long for a header
	Attempts []inbox.Attempt `json:"attempts,omitempty"`
}

// A message is a stored delivery with its story.
type message struct {
	delivery *webhook.Delivery // as it was enqueued, under its own keys
	attempts []inbox.Attempt
	state    state
}

// maxHeader is how long a delivery's JSON may be to travel as a header: JetStream takes 64 KiB of them.
const maxHeader = 48 << 10

// maxAttempts is how long the attempts' JSON may be.
const maxAttempts = 256 << 10

// envelopeRoom is what a message has beside the body, at the most.
const envelopeRoom = 512 << 10

// encode returns the message to be published under a subject.
func (m *message) encode(subject string) (*nats.Msg, error) {
	rest := *m.delivery
	rest.Body = nil
	meta, err := json.Marshal(&rest)
	if err != nil {
		return nil, fmt.Errorf("jetstream: the delivery cannot be written: %w", err)
	}
	msg := &nats.Msg{Subject: subject, Header: make(nats.Header, 3), Data: m.delivery.Body}
	var more extra
	if len(meta) <= maxHeader {
		msg.Header[headerDelivery] = []string{string(meta)}
	} else {
		more.Delivery = meta
	}
	more.Attempts = m.attempts
	if m.state == (state{}) && more.Delivery == nil && len(more.Attempts) == 0 {
		return msg, nil
	}
	s := m.state
	s.Body = len(m.delivery.Body)
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	msg.Header[headerState] = []string{string(text)}
	if more.Attempts, err = short(more.Attempts); err != nil {
		return nil, err
	}
	tail, err := json.Marshal(more)
	if err != nil {
		return nil, fmt.Errorf("jetstream: %w", err)
	}
	msg.Data = append(m.delivery.Body[:s.Body:s.Body], tail...)
	return msg, nil
}

// short cuts the texts of errors until all attempts fit: those who are long are cut, and no attempt is left out.
func short(attempts []inbox.Attempt) ([]inbox.Attempt, error) {
	for most := engine.MaxError; ; most /= 2 {
		text, err := json.Marshal(attempts)
		if err != nil {
			return nil, fmt.Errorf("jetstream: the attempts cannot be written: %w", err)
		}
		if len(text) <= maxAttempts || most == 0 {
			return attempts, nil
		}
		cut := make([]inbox.Attempt, len(attempts))
		for i, a := range attempts {
			a.Error = a.Error[:min(most, len(a.Error))]
			cut[i] = a
		}
		attempts = cut
	}
}

var errForeign = errors.New("jetstream: the message was not stored by an inbox")

// decode reads a message. If it cannot be read, it returns what is known of it all the same.
func (n names) decode(subject string, header nats.Header, data []byte, at time.Time) (*message, error) {
	m := &message{delivery: &webhook.Delivery{ReceivedAt: at.UTC(), Body: data, ID: subject}}
	m.delivery.Vendor, m.delivery.Endpoint, _ = n.endpointOf(subject)
	m.delivery.Keys = []string{fmt.Sprintf("%s/%d", subject, at.UnixNano())}
	meta := []byte(header.Get(headerDelivery))
	if text := header.Get(headerState); text != "" {
		if err := json.Unmarshal([]byte(text), &m.state); err != nil || m.state.Body < 0 || m.state.Body > len(data) {
			return m, errForeign
		}
		var more extra
		if err := json.Unmarshal(data[m.state.Body:], &more); err != nil {
			return m, errForeign
		}
		m.attempts = more.Attempts
		data = data[:m.state.Body:m.state.Body]
		if more.Delivery != nil {
			meta = more.Delivery
		}
	}
	d := new(webhook.Delivery)
	if err := json.Unmarshal(meta, d); err != nil || len(d.Keys) == 0 {
		return m, errForeign
	}
	d.Body = data
	m.delivery = d
	return m, nil
}

// id is the entry's.
func (m *message) id() string { return digest(m.delivery.Keys[0]) }

// running returns the delivery as it is to be run.
func (m *message) running() *webhook.Delivery {
	if m.state.Rerun > 0 {
		return m.delivery.Again(m.state.Rerun)
	}
	return m.delivery
}
