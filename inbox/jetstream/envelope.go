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

// The headers of a message. The payload is the body as received, followed by an extra if there is one.
const (
	headerDelivery = "Aihooks-Delivery" // the delivery without its body, as JSON
	headerState    = "Aihooks-State"    // a state as JSON; only if the message was moved, or has an extra
	headerOrigin   = "Aihooks-Origin"   // the position before the message was claimed: see claim
)

// A state describes a message that was moved, or has more than its body.
type state struct {
	Tried int    `json:"tried,omitempty"` // attempts that count
	Rerun int    `json:"rerun,omitempty"` // how often Rerun was called
	Body  int    `json:"body"`            // length of the body; an extra follows it in the payload
	From  string `json:"from,omitempty"`  // the position of the message that was moved here
}

// An extra follows the body in the payload.
type extra struct {
	Delivery json.RawMessage `json:"delivery,omitempty"` // if it is too long for a header
	Attempts []inbox.Attempt `json:"attempts,omitempty"`
}

// A message is a stored delivery with its attempts.
type message struct {
	delivery *webhook.Delivery // as enqueued, with its original keys
	attempts []inbox.Attempt
	state    state
}

// maxHeader is the longest JSON of a delivery that is sent as a header. JetStream takes 64 KiB of headers.
const maxHeader = 48 << 10

// maxAttempts is the longest JSON of the attempts.
const maxAttempts = 256 << 10

// maxEnvelope is how many bytes a message has at most in addition to the body.
const maxEnvelope = 512 << 10

// encode returns the NATS message to publish under a subject.
func (m *message) encode(subject string) (*nats.Msg, error) {
	rest := *m.delivery
	rest.Body = nil
	meta, err := json.Marshal(&rest)
	if err != nil {
		return nil, fmt.Errorf("jetstreaminbox: the delivery cannot be encoded: %w", err)
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
		return nil, fmt.Errorf("jetstreaminbox: %w", err)
	}
	msg.Header[headerState] = []string{string(text)}
	if more.Attempts, err = truncateErrors(more.Attempts); err != nil {
		return nil, err
	}
	tail, err := json.Marshal(more)
	if err != nil {
		return nil, fmt.Errorf("jetstreaminbox: %w", err)
	}
	msg.Data = append(m.delivery.Body[:s.Body:s.Body], tail...)
	return msg, nil
}

// truncateErrors shortens the error texts, the longest first, until all attempts fit. It removes no attempt.
func truncateErrors(attempts []inbox.Attempt) ([]inbox.Attempt, error) {
	for most := engine.MaxError; ; most /= 2 {
		text, err := json.Marshal(attempts)
		if err != nil {
			return nil, fmt.Errorf("jetstreaminbox: the attempts cannot be encoded: %w", err)
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

var errForeign = errors.New("jetstreaminbox: the message was not stored by an inbox")

// decode decodes a message. If it cannot, it returns an error and as much as is known of the message.
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

// id returns the ID of the entry.
func (m *message) id() string { return digest(m.delivery.Keys[0]) }

// toRun returns the delivery to run, with the keys of its last rerun.
func (m *message) toRun() *webhook.Delivery {
	if m.state.Rerun > 0 {
		return m.delivery.Again(m.state.Rerun)
	}
	return m.delivery
}
