package allvendors_test

import (
	"encoding"
	"encoding/json"
	"reflect"
	"strings"

	"github.com/aihooks/aihooks-go/webhook"
)

// A field is a field of an event's type, at any depth.
type field struct {
	goName string
	goType reflect.Type // the element type of a pointer
	own    bool         // the event's type declares the field, not an embedded or a nested type

	// path has the names of the outer fields and the field, as encoding/json writes them in its errors. It has no list
	// indexes and no map keys.
	path string

	// put sets the field in the JSON of the event's data. It replaces each list or map on the path by one with a single entry.
	put func(data map[string]any, value any)
}

// fieldsOf returns the fields of an event's type, in order.
func fieldsOf(goType reflect.Type) []field {
	var fields []field
	for i := range goType.NumField() {
		f := goType.Field(i)
		switch name, _, _ := strings.Cut(f.Tag.Get("json"), ","); {
		case f.Type == reflect.TypeFor[webhook.Event]():
		case f.Anonymous && name == "":
			for _, promoted := range fieldsOf(f.Type) {
				promoted.own = false
				fields = append(fields, promoted)
			}
		default:
			inner := f.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			fields = append(fields, field{
				goName: f.Name, goType: inner, own: true, path: name,
				put: func(data map[string]any, value any) { data[name] = value },
			})
			fields = append(fields, fieldsBelow(name, inner)...)
		}
	}
	return fields
}

// fieldsBelow returns the fields of a member's struct type. The member may also be a list or a map of that type.
func fieldsBelow(name string, goType reflect.Type) []field {
	open := func(data map[string]any) map[string]any {
		object, ok := data[name].(map[string]any)
		if !ok {
			object = make(map[string]any)
			data[name] = object
		}
		return object
	}
	switch goType.Kind() {
	case reflect.Slice:
		goType = goType.Elem()
		open = func(data map[string]any) map[string]any {
			object := make(map[string]any)
			data[name] = []any{object}
			return object
		}
	case reflect.Map:
		goType = goType.Elem()
		open = func(data map[string]any) map[string]any {
			object := make(map[string]any)
			data[name] = map[string]any{"entry": object}
			return object
		}
	}
	if goType.Kind() != reflect.Struct || readsItself(goType) {
		return nil
	}
	fields := fieldsOf(goType)
	for i, f := range fields {
		fields[i].own = false
		fields[i].path = name + "." + f.path
		fields[i].put = func(data map[string]any, value any) { f.put(open(data), value) }
	}
	return fields
}

// readsItself reports whether a type implements json.Unmarshaler or encoding.TextUnmarshaler.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Unmarshaler]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}
