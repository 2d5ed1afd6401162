package webhook

import (
	"encoding"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/aihooks/aihooks-go/internal/names"
	"github.com/aihooks/aihooks-go/internal/timestamp"
)

// Unknown returns the values for which the event's type has no field, by their JSON pointers (RFC 6901) in the body. Use it
// to detect that the vendor has added fields. Each call computes it from the raw bytes.
func (e *Event) Unknown() map[string]json.RawMessage {
	found := make(map[string]json.RawMessage)
	if e.delivery == nil {
		return found
	}
	path := ""
	if e.decoded.nested {
		for name, raw := range members(e.delivery.Body) {
			switch {
			case e.decoded.holdsData(name, raw):
				path = "/" + escape(name)
			case !e.routedBy(name, raw):
				found["/"+escape(name)] = raw
			}
		}
	}
	unknown(found, path, e.decoded.data, e.decoded.goType, e.routedBy)
	return found
}

// routedBy reports whether a member of the body is part of the envelope, or an empty value under one of its names.
func (e *Event) routedBy(name string, raw []byte) bool {
	known := e.decoded.names
	empty := string(raw) == "null" || string(raw) == `""`
	switch {
	case matches(known.Type, name):
		return empty || e.Type != "" && names.InJSON(raw) == e.Type
	case matches(known.ID, name):
		return empty || e.ID != "" && names.InJSON(raw) == e.ID
	case matches(known.Time, name):
		t, err := timestamp.ParseJSON(raw)
		return empty || err == nil && t.Equal(e.Time)
	default:
		return empty && matches(known.Data, name)
	}
}

// holdsData reports whether a member of the body has the data that the event was decoded from.
func (d *decoded) holdsData(name string, raw []byte) bool {
	return matches(d.names.Data, name) && string(raw) == string(d.data)
}

// matches reports whether name is one of names, ignoring case like encoding/json.
func matches(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}

var (
	jsonUnmarshaler = reflect.TypeFor[json.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

// readsItself reports whether a type implements json.Unmarshaler or encoding.TextUnmarshaler.
func readsItself(t reflect.Type) bool {
	return reflect.PointerTo(t).Implements(jsonUnmarshaler) || reflect.PointerTo(t).Implements(textUnmarshaler)
}

// unknown walks raw together with the type that it was decoded into. At the top of the body, the members of the envelope
// count as known.
func unknown(found map[string]json.RawMessage, path string, raw []byte, t reflect.Type, known func(name string, raw []byte) bool) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if readsItself(t) {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		fields := fieldsOf(t)
		for name, value := range members(raw) {
			at := path + "/" + escape(name)
			if field := fields.find(name); field != nil {
				unknown(found, at, value, field, nil)
			} else if path != "" || !known(name, value) {
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

// members returns the members of a JSON object. It returns nil for any other value.
func members(raw []byte) map[string]json.RawMessage {
	var m map[string]json.RawMessage
	_ = json.Unmarshal(raw, &m)
	return m
}

// A fieldSet has the types of a struct's fields by their names in JSON.
type fieldSet struct {
	exact  map[string]reflect.Type
	folded map[string]reflect.Type // by folded names
}

// fieldSets caches the fields of each struct type, because one body can have a hundred thousand values of a type.
var fieldSets sync.Map

// fieldsOf returns the fields of a struct type.
func fieldsOf(t reflect.Type) *fieldSet {
	if set, ok := fieldSets.Load(t); ok {
		return set.(*fieldSet)
	}
	set := &fieldSet{exact: jsonFields(t), folded: make(map[string]reflect.Type)}
	for _, name := range slices.Sorted(maps.Keys(set.exact)) {
		if folded := fold(name); set.folded[folded] == nil {
			set.folded[folded] = set.exact[name]
		}
	}
	fieldSets.Store(t, set)
	return set
}

// find matches a name like encoding/json: exactly, or else ignoring case.
func (s *fieldSet) find(name string) reflect.Type {
	if t := s.exact[name]; t != nil {
		return t
	}
	return s.folded[fold(name)]
}

// fold returns the same text for all names that are equal under strings.EqualFold.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r < 'A' || r > 'z') {
			return r
		}
		least := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		return least
	}, name)
}

// jsonFields returns the types of a struct's fields by their names in JSON.
func jsonFields(t reflect.Type) map[string]reflect.Type {
	set := make(map[string]reflect.Type)
	for i := range t.NumField() { // first, because an outer field hides an embedded one of the same name
		if inner := embedded(t.Field(i)); inner != nil {
			maps.Copy(set, jsonFields(inner))
		}
	}
	for i := range t.NumField() {
		field := t.Field(i)
		tag := field.Tag.Get("json")
		if tag == "-" || !field.IsExported() || field.Type == reflect.TypeFor[Event]() || embedded(field) != nil {
			continue
		}
		name, _, _ := strings.Cut(tag, ",")
		if name == "" {
			name = field.Name
		}
		set[name] = field.Type
	}
	return set
}

// embedded returns the type of an embedded struct whose fields are promoted, and nil for any other field.
func embedded(field reflect.StructField) reflect.Type {
	t := field.Type
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	if !field.Anonymous || name != "" || t.Kind() != reflect.Struct || t == reflect.TypeFor[Event]() {
		return nil
	}
	return t
}

var escaper = strings.NewReplacer("~", "~0", "/", "~1")

// escape escapes a name for a JSON pointer.
func escape(name string) string { return escaper.Replace(name) }
