package webhook

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Unknown returns what the vendor sent and the event's type has no field for, by its JSON pointer (RFC 6901) in the
// body: for noticing that a payload has grown. It is computed from the raw bytes at each call.
func (e *Event) Unknown() map[string]json.RawMessage {
	found := make(map[string]json.RawMessage)
	if e.delivery == nil {
		return found
	}
	path := ""
	if e.decoded.nested {
		for name, raw := range members(e.delivery.Body) {
			if !e.decoded.isEnvelope(name) {
				found["/"+escape(name)] = raw
			} else if string(raw) == string(e.decoded.data) {
				path = "/" + escape(name)
			}
		}
	}
	unknown(found, path, e.decoded.data, e.decoded.goType, e.decoded.isEnvelope)
	return found
}

func (d *decoded) isEnvelope(name string) bool {
	return slices.ContainsFunc(d.names, func(n string) bool { return strings.EqualFold(n, name) })
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// unknown walks raw beside the type that it was decoded into. At the top, skip names what is known without a field.
func unknown(found map[string]json.RawMessage, path string, raw []byte, t reflect.Type, skip func(string) bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler) {
		return // reads itself, and keeps what it does not know
	}
	switch t.Kind() {
	case reflect.Struct:
		fields := jsonFields(t)
		for name, value := range members(raw) {
			at := path + "/" + escape(name)
			if field := fields.find(name); field != nil {
				unknown(found, at, value, field, nil)
			} else if skip == nil || path != "" || !skip(name) {
				found[at] = value
			}
		}
	case reflect.Map:
		for name, value := range members(raw) {
			unknown(found, path+"/"+escape(name), value, t.Elem(), nil)
		}
	case reflect.Slice, reflect.Array:
		var items []json.RawMessage
		_ = json.Unmarshal(raw, &items)
		for i, item := range items {
			unknown(found, path+"/"+strconv.Itoa(i), item, t.Elem(), nil)
		}
	}
}

// members returns the members of a JSON object; none if raw is something else.
func members(raw []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m)
	return m
}

// A fieldSet holds the types of a struct's fields by their names in JSON.
type fieldSet map[string]reflect.Type

func jsonFields(t reflect.Type) fieldSet {
	set := make(fieldSet)
	for i := range t.NumField() {
		field := t.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case field.Type == reflect.TypeFor[Event]() || name == "-":
		case field.Anonymous && name == "":
			for inner, innerType := range jsonFields(field.Type) {
				set[inner] = innerType
			}
		case field.IsExported():
			if name == "" {
				name = field.Name
			}
			set[name] = field.Type
		}
	}
	return set
}

// find matches a name as encoding/json does: to the letter, or else whatever its case.
func (s fieldSet) find(name string) reflect.Type {
	if t := s[name]; t != nil {
		return t
	}
	for field, t := range s {
		if strings.EqualFold(field, name) {
			return t
		}
	}
	return nil
}

func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
