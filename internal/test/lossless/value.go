package lossless

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/timestamp"
	"github.com/aihooks/aihooks-go/webhook/vendors"
)

// An envelope is the value of "@event" in an event's JSON.
type envelope struct {
	ID   string    `json:"id"`
	Type string    `json:"type"`
	Time time.Time `json:"time"`
}

// has reports whether the member belongs to the envelope, and has the same value there.
func (e *envelope) has(names *vendors.EnvelopeNames, name string, value json.RawMessage) bool {
	isOf := func(list []string) bool {
		return slices.ContainsFunc(list, func(n string) bool { return strings.EqualFold(n, name) })
	}
	switch {
	case isOf(names.Type) && (e.Type == text(value) || text(value) == ""):
		return true
	case isOf(names.ID) && (e.ID == text(value) || text(value) == ""):
		return true
	case isOf(names.Time):
		t, err := timestamp.ParseJSON(value)
		return err == nil && t.Equal(e.Time)
	default:
		return false
	}
}

// same reports whether two scalars are equal. A kept string may also be the JSON text of the sent value.
func same(sent, kept json.RawMessage) bool {
	if bytes.Equal(sent, kept) {
		return true
	}
	var k string
	if json.Unmarshal(kept, &k) == nil {
		a, aErr := timestamp.ParseJSON(sent)
		b, bErr := timestamp.Parse(k)
		return text(sent) == k || aErr == nil && bErr == nil && a.Equal(b)
	}
	a, aOK := new(big.Rat).SetString(string(sent))
	b, bOK := new(big.Rat).SetString(string(kept))
	return aOK && bOK && a.Cmp(b) == 0
}

// text returns the value of a string, and the JSON text of any other value.
func text(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil && string(raw) != "null" {
		return s
	}
	return string(raw)
}

func members(raw json.RawMessage) (m map[string]json.RawMessage, err error) {
	err = json.Unmarshal(raw, &m)
	return m, err
}

// member finds a member as encoding/json does. An exact match comes before a match in another case.
func member(m map[string]json.RawMessage, name string) json.RawMessage {
	if value, ok := m[name]; ok {
		return value
	}
	for candidate, value := range m {
		if strings.EqualFold(candidate, name) {
			return value
		}
	}
	return nil
}

func items(raw json.RawMessage) (list []json.RawMessage, err error) {
	err = json.Unmarshal(raw, &list)
	return list, err
}

// isA reports whether raw is an object or an array, by its first byte.
func isA(open byte, raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == open }

// escape escapes a name for a JSON pointer (RFC 6901).
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
