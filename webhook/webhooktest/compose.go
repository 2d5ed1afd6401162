package webhooktest

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Event returns a delivery of a typed event, a pointer to one of the vendor's event types. Its envelope has the members of
// the vendor's sample of that type. The delivery has the ID and the Time of the embedded [webhook.Event], if they are set.
// Otherwise it gets a new id, and its date is set when it is first sent. It has only the fields of the Go type.
func (s *Sender) Event(event webhook.AnyEvent) *Delivery {
	s.t.Helper()
	v := reflect.ValueOf(event)
	if event == nil || v.IsNil() {
		s.t.Fatalf("webhooktest: the event is nil")
	}
	embedded := v.Elem().FieldByName("Event")
	if !embedded.IsValid() || embedded.Type() != reflect.TypeFor[webhook.Event]() {
		s.t.Fatalf("webhooktest: %T must embed webhook.Event", event)
	}
	head := embedded.Interface().(webhook.Event)
	d := &Delivery{ID: newID(), Type: s.typeOf(event, head.Type), done: !head.Time.IsZero()}
	if d.Type == "" {
		s.t.Fatalf("webhooktest: %T is not an event of %s%s", event, s.vendor.Profile.Name, named(head.Type))
	}
	body, err := s.compose(event, &head, d.Type)
	if err != nil {
		s.t.Fatalf("webhooktest: %T cannot be marshaled: %v", event, err)
	}
	if head.ID != "" {
		d.ID = head.ID
	}
	d.Body = s.unique(body, d.ID)
	return d
}

func named(eventType string) string {
	if eventType == "" {
		return ""
	}
	return fmt.Sprintf(" of the type %q", eventType)
}

// typeOf returns the vendor's type of event, or "" if the vendor has no such type. If several types have the same Go type,
// want selects one.
func (s *Sender) typeOf(event webhook.AnyEvent, want string) string {
	if len(s.vendor.Profile.Events) == 0 { // the user defines the types
		return want
	}
	for _, kind := range s.vendor.Profile.Events {
		if reflect.TypeOf(kind.New()) == reflect.TypeOf(event) && (want == "" || want == kind.Name()) {
			return kind.Name()
		}
	}
	return ""
}

// compose returns the body of an event, with an empty id.
func (s *Sender) compose(event webhook.AnyEvent, head *webhook.Event, eventType string) ([]byte, error) {
	text, err := json.Marshal(webhook.DataOf(event))
	if err != nil {
		return nil, err
	}
	var data map[string]json.RawMessage
	if err := json.Unmarshal(text, &data); err != nil {
		return nil, err
	}
	delete(data, "@event")

	names := s.likeTheSample(eventType)
	body := make(map[string]any)
	if len(names.Data) > 0 {
		body[names.Data[0]] = data
	} else {
		maps.Copy(body, anyOf(data))
	}
	if len(names.Type) > 0 {
		body[names.Type[0]] = eventType
	}
	if len(names.ID) > 0 {
		body[names.ID[0]] = ""
	}
	if len(names.Time) > 0 {
		body[names.Time[0]] = s.date(eventType, head.Time)
	}
	return json.Marshal(body)
}

func anyOf(data map[string]json.RawMessage) map[string]any {
	m := make(map[string]any, len(data))
	for name, raw := range data {
		m[name] = raw
	}
	return m
}

// likeTheSample returns the envelope names that the vendor's sample of that type uses first. Without a sample it returns
// all names of the profile.
func (s *Sender) likeTheSample(eventType string) vendors.EnvelopeNames {
	all := s.vendor.Profile.Envelope
	body := s.bodyOf(eventType)
	if body == nil {
		return all
	}
	present := func(names []string) []string {
		for i, name := range names {
			if member(body, []string{name}) != nil {
				return names[i:]
			}
		}
		return nil
	}
	return vendors.EnvelopeNames{Type: present(all.Type), ID: present(all.ID), Time: present(all.Time), Data: present(all.Data)}
}

// date returns t in the notation of the sample's date.
func (s *Sender) date(eventType string, t time.Time) json.RawMessage {
	raw := member(s.bodyOf(eventType), s.vendor.Profile.Envelope.Time)
	if text, ok := jsonpeek.String(raw); raw == nil || ok && isoDate.MatchString(text) {
		return quote(t.UTC().Format(time.RFC3339Nano)) // keeps the fraction of a second
	}
	return dateLike(raw, t)
}

func (s *Sender) bodyOf(eventType string) []byte {
	for _, sample := range s.vendor.Samples {
		if sample.Type == eventType {
			return sample.Body
		}
	}
	return nil
}
