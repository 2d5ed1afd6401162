// Package jsonpeek reads chosen members of the top-level object of a JSON document. It checks the whole document, but does
// not decode the rest.
//
// It accepts documents and matches names exactly as encoding/json does. A later json.Unmarshal of the same bytes into a
// struct therefore reads the same values.
package jsonpeek

// maxDepth is the maximum nesting that encoding/json allows.
const maxDepth = 10000

// Scan checks that doc is one JSON object, by the grammar of encoding/json, and finds members of it.
//
// Scan sets values[i] to the value of the last top-level member whose name matches names[i]. The value is a subslice of
// doc, or nil if no member matches. A name matches as a struct field's does: exactly, or by case folding. If several names
// match a member, an exact match comes before a folded one, and an earlier name before a later one. A null counts as
// absent and does not hide an earlier member.
//
// The error is [ErrNotObject], [ErrTooDeep] or a [*SyntaxError]. After an error, every value is nil. Scan panics if values
// and names have different lengths.
func Scan(doc []byte, names []string, values [][]byte) error {
	if len(values) != len(names) {
		panic("jsonpeek: Scan: values and names must have the same length")
	}
	clear(values)
	err := scan(doc, names, values)
	if err != nil {
		clear(values)
	}
	return err
}

func scan(doc []byte, names []string, values [][]byte) error {
	first := skipSpace(doc, 0)
	if err := checkStart(doc, first); err != nil {
		return err
	}
	var (
		open  nesting
		i     = first
		pick  = -1 // the index in names of the current top-level member, or -1
		start int  // where the value of that member starts
	)
element:
	for {
		i = skipSpace(doc, i)
		if open.inObject() {
			end, value, err := skipName(doc, i)
			if err != nil {
				return err
			}
			if open.depth == 1 {
				pick, start = match(doc[i+1:end-1], names), value
			}
			i = value
		}
		if i == len(doc) {
			return syntaxError(doc, i, wantValue)
		}

		var problem string
		switch c := doc[i]; c {
		case '{', '[':
			if !open.push(c == '{') {
				return ErrTooDeep
			}
			i = skipSpace(doc, i+1)
			if i == len(doc) || doc[i] != c+2 { // in ASCII, a closing bracket or brace is its opening one plus 2
				continue element
			}
			i++
			open.pop()
		case '"':
			i, problem = skipString(doc, i+1)
		case 't':
			i, problem = skipLiteral(doc, i, "true")
		case 'f':
			i, problem = skipLiteral(doc, i, "false")
		case 'n':
			i, problem = skipLiteral(doc, i, "null")
		default:
			i, problem = skipNumber(doc, i)
		}
		if problem != "" {
			return syntaxError(doc, i, problem)
		}

		// A value has ended. The arrays and objects around it may end as well.
		for open.depth > 0 {
			if open.depth == 1 && pick >= 0 && doc[start] != 'n' {
				values[pick] = doc[start:i:i]
			}
			i = skipSpace(doc, i)
			if i < len(doc) && doc[i] == ',' {
				i++
				continue element
			}
			closing, expected := byte(']'), wantArrayEnd
			if open.inObject() {
				closing, expected = '}', wantObjectEnd
			}
			if i == len(doc) || doc[i] != closing {
				return syntaxError(doc, i, expected)
			}
			i++
			open.pop()
		}
		break
	}
	if i = skipSpace(doc, i); i < len(doc) {
		return syntaxError(doc, i, wantNothing)
	}
	if doc[first] != '{' {
		return ErrNotObject
	}
	return nil
}
