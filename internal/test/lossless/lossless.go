// Package lossless checks that decoding a webhook's body into a typed event loses no data.
package lossless

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// Check fails t for each value of body that the event has lost. A value must be in the JSON of event, in unknown, or be
// named by the event's Undecoded. unknown is the result of the event's Unknown. Check also fails t for each entry of
// unknown that is not in body.
//
// Check looks for the event's fields at the top level of its JSON, even if the body has them in a member of names.Data.
// The type, the id and the time may be under "@event" instead. Numbers are compared as numbers, and times as instants. A
// value may also be kept as a string of its JSON text. A null is not compared, because it has no data.
func Check(t testing.TB, names vendors.EnvelopeNames, body []byte, event any, unknown map[string]json.RawMessage) {
	t.Helper()
	lost, err := find(names, body, event, unknown)
	if err != nil {
		t.Errorf("lossless: %v", err)
	}
	for _, l := range lost {
		t.Errorf("lossless: %s", l)
	}
}

// find returns a sentence for each error, sorted.
func find(names vendors.EnvelopeNames, body []byte, event any, unknown map[string]json.RawMessage) ([]string, error) {
	sent, err := members(body)
	if err != nil {
		return nil, fmt.Errorf("the body is not a JSON object: %w", err)
	}
	typed, err := json.Marshal(event)
	if err != nil {
		return nil, fmt.Errorf("the event cannot be marshaled: %w", err)
	}
	kept, err := members(typed)
	if err != nil {
		return nil, fmt.Errorf("the event's JSON is not an object: %w", err)
	}
	var head envelope
	if err := json.Unmarshal(kept["@event"], &head); err != nil {
		return nil, fmt.Errorf(`the event's JSON has no "@event": %w`, err)
	}
	delete(kept, "@event")

	s := search{unknown: unknown, reached: make(map[string]bool)}
	if e, ok := event.(interface{ Undecoded() map[string]error }); ok {
		s.undecoded = e.Undecoded()
	}
	data := dataMember(sent, names.Data)
	for name, value := range sent {
		switch path := "/" + escape(name); {
		case name == data && data != "":
			s.walk(path, value, typed)
		case head.has(&names, name, value):
		case data != "":
			s.walk(path, value, nil)
		default:
			s.walk(path, value, member(kept, name))
		}
	}
	for path := range unknown {
		if !s.reached[path] {
			s.wrong = append(s.wrong, path+" is in Unknown, but not in the body")
		}
	}
	slices.Sort(s.wrong)
	return s.wrong, nil
}

// dataMember returns the name of the member that holds the event's fields, or "" if they are at the top level.
func dataMember(sent map[string]json.RawMessage, names []string) string {
	for _, name := range names {
		for _, candidate := range slices.Sorted(maps.Keys(sent)) {
			if strings.EqualFold(candidate, name) && string(sent[candidate]) != "null" {
				return candidate
			}
		}
	}
	return ""
}

// A search walks through a body and collects the values that are not kept.
type search struct {
	unknown   map[string]json.RawMessage
	undecoded map[string]error
	reached   map[string]bool // entries of unknown that are in the body unchanged
	wrong     []string
}

// walk looks for each value of sent in kept and in unknown. sent is the value at path. kept is nil if nothing was kept.
func (s *search) walk(path string, sent, kept json.RawMessage) {
	if raw, ok := s.unknown[path]; ok && string(raw) == string(sent) {
		s.reached[path] = true
		return
	}
	if s.undecoded[path] != nil {
		return // the event names it
	}
	if string(sent) == "null" || kept != nil && same(sent, kept) {
		return
	}
	if object, err := members(sent); err == nil && (len(object) > 0 || isA('{', kept)) {
		inner, _ := members(kept)
		for name, value := range object {
			s.walk(path+"/"+escape(name), value, member(inner, name))
		}
		return
	}
	if array, err := items(sent); err == nil && (len(array) > 0 || isA('[', kept)) {
		inner, _ := items(kept)
		inner = append(inner, make([]json.RawMessage, max(0, len(array)-len(inner)))...)
		for i, item := range array {
			s.walk(path+"/"+strconv.Itoa(i), item, inner[i])
		}
		return
	}
	if kept == nil {
		s.wrong = append(s.wrong, fmt.Sprintf("%s is lost: %s was sent", path, sent))
	} else {
		s.wrong = append(s.wrong, fmt.Sprintf("%s has changed: %s was sent, %s was kept", path, sent, kept))
	}
}
