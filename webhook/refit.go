package webhook

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
	"github.com/aihooks/aihooks-go/internal/timestamp"
)

// A refitter rewrites JSON that does not fit a type, so that the same decoder can decode it. A whole number such as 8.0
// becomes 8, a time becomes RFC 3339, and a value that still does not fit is left out.
//
// It calls the decoder for each member to find out what fits. So it needs no rules about tags and names except those of
// [fieldsOf].
type refitter struct {
	unmarshal func(data []byte, v any) error
	strict    bool             // leave nothing out
	found     map[string]error // values that were left out, by their JSON pointers
}

// maxRefitDepth is the maximum depth of the search for a misfit. Each level decodes everything below it again.
const maxRefitDepth = 8

// A member is a member of an object, with its name as written.
type member struct {
	name     string
	raw      json.RawMessage
	leaveOut bool
}

// object returns the part of a JSON object that fits t, a struct or a map. Any other value is returned unchanged.
func (r *refitter) object(raw []byte, t reflect.Type, path string, depth int) []byte {
	list, ok := orderedMembers(raw)
	if !ok {
		return raw
	}
	var fields *fieldSet
	if t.Kind() == reflect.Struct {
		fields = fieldsOf(t)
	}
	fold := func(name string) string {
		if fields != nil {
			return strings.ToLower(name)
		}
		return name
	}
	bad := make(map[string]bool)
	for i := range list {
		m := &list[i]
		var want reflect.Type
		if fields == nil {
			want = t.Elem()
		} else if want = fields.find(m.name); want == nil {
			continue // not a field, so the decoder decides
		}
		err := r.fits(object(*m), t)
		if err == nil {
			continue
		}
		at, within := path+"/"+escape(m.name), len(r.found)
		value, misfit := r.value(m.raw, want, at, depth+1)
		if misfit == nil {
			if r.fits(object(member{name: m.name, raw: value}), t) == nil {
				m.raw = value
				continue
			}
			misfit = misfits(m.raw, want)
		}
		misfit.err = err
		r.leaveOut(at, misfit, len(r.found) > within)
		bad[fold(m.name)] = true
	}
	for i := range list { // otherwise an earlier value of the same name would replace it
		list[i].leaveOut = bad[fold(list[i].name)] && !r.strict
	}
	return object(list...)
}

// value returns the part of a value that fits t, or the reason why all of it must be left out.
func (r *refitter) value(raw []byte, t reflect.Type, path string, depth int) ([]byte, *fieldError) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	sent := jsonpeek.KindOf(raw)
	switch {
	case t == reflect.TypeFor[time.Time]():
		at, err := timestamp.ParseJSON(raw)
		if err != nil {
			return nil, &fieldError{reason: err.Error()}
		}
		return strconv.AppendQuote(nil, at.Format(time.RFC3339Nano)), nil
	case readsItself(t) || depth > maxRefitDepth:
	case t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64 && sent == jsonpeek.KindNumber:
		whole, fraction, ok := jsonpeek.Decimal(raw)
		if fraction != "" {
			return nil, &fieldError{reason: "it is not a whole number"}
		}
		if ok {
			return []byte(whole), nil
		}
	case (t.Kind() == reflect.Struct || t.Kind() == reflect.Map) && sent == jsonpeek.KindObject:
		return r.object(raw, t, path, depth), nil
	case (t.Kind() == reflect.Slice || t.Kind() == reflect.Array) && sent == jsonpeek.KindArray:
		return r.list(raw, t.Elem(), path, depth)
	}
	return nil, misfits(raw, t)
}

func (r *refitter) list(raw []byte, elem reflect.Type, path string, depth int) ([]byte, *fieldError) {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return nil, &fieldError{reason: "it is not a list", err: err}
	}
	for i, item := range items {
		if r.fits(item, elem) == nil {
			continue
		}
		value, misfit := r.value(item, elem, path+"/"+strconv.Itoa(i), depth+1)
		if misfit == nil && r.fits(value, elem) != nil {
			misfit = misfits(item, elem)
		}
		if misfit != nil {
			return nil, &fieldError{reason: fmt.Sprintf("element %d of the list: %s", i, misfit.reason)}
		}
		items[i] = value
	}
	return append(append([]byte("["), bytes.Join(raws(items), []byte(","))...), ']'), nil
}

func raws(items []json.RawMessage) [][]byte {
	list := make([][]byte, len(items))
	for i := range items {
		list[i] = items[i]
	}
	return list
}

func (r *refitter) fits(raw []byte, t reflect.Type) error {
	return r.unmarshal(raw, reflect.New(t).Interface())
}

// leaveOut records that a value is left out. With within, it replaces the records of values inside it.
func (r *refitter) leaveOut(path string, why *fieldError, within bool) {
	if r.found == nil {
		r.found = make(map[string]error)
	}
	if within {
		maps.DeleteFunc(r.found, func(inner string, _ error) bool { return strings.HasPrefix(inner, path+"/") })
	}
	r.found[path] = why
}

// misfits returns the error of a value that does not fit t. It quotes neither the value nor a decoder's error, which may
// quote the value.
func misfits(raw []byte, t reflect.Type) *fieldError {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	sent := jsonpeek.KindOf(raw).String()
	if sent == jsonpeek.KindNumber.String() && t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 {
		return &fieldError{reason: "the number is out of range for " + t.String()}
	}
	return &fieldError{reason: "it is of the kind " + sent + ", which does not fit " + t.String()}
}

// orderedMembers returns the members of a JSON object in their order. It reports false for any other value.
func orderedMembers(raw []byte) (list []member, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, false
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil, false
		}
		m := member{name: name.(string)}
		if decoder.Decode(&m.raw) != nil {
			return nil, false
		}
		list = append(list, m)
	}
	return list, true
}

// object returns a JSON object of the members that are not left out.
func object(members ...member) []byte {
	b := []byte{'{'}
	for _, m := range members {
		if m.leaveOut {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		name, _ := json.Marshal(m.name) //nolint:errchkjson // a string always has JSON
		b = append(append(append(b, name...), ':'), m.raw...)
	}
	return append(b, '}')
}
