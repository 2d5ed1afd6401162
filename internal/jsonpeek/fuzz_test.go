package jsonpeek

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// member keeps the raw value as json.RawMessage does, and ignores null as encoding/json does for any other type.
type member []byte

func (m *member) UnmarshalJSON(raw []byte) error {
	if string(raw) != "null" {
		*m = append(member(nil), raw...)
	}
	return nil
}

type members struct {
	Event   member `json:"event"`
	ID      member `json:"id"`
	Shouted member `json:"ID"`
	Skip    member `json:"skip"`
	Folded  member `json:"ſk"`
	Greek   member `json:"Σς"`
	Slash   member `json:"a/b"`
}

var memberNames = []string{"event", "id", "ID", "skip", "ſk", "Σς", "a/b"}

func FuzzScanAgreesWithEncodingJSON(f *testing.F) {
	for _, doc := range valid {
		if len(doc) < 1000 { // long documents slow down fuzzing, and are tested above
			f.Add([]byte(doc))
		}
	}
	for _, c := range invalid {
		f.Add([]byte(c.doc))
	}
	for _, doc := range []string{
		`{"event":1,"EVENT":2,"\u0065vent":null,"Id":3,"iD":4,"ID":5,"id":6}`,
		`{"ſ\u212aIp":1,"SK":2,"sk":3,"\u017fk":4,"σσ":5,"a\/B":6}`,
		"{\"event\xff\":1,\"even\\u0074\":{\"event\":[null]}, \"event\" : null }",
		` [{"event":1}] `, `null`, `"event"`,
	} {
		f.Add([]byte(doc))
	}
	f.Fuzz(requireAgreement)
}

func TestScanAgreesWithEncodingJSONOnRandomDocuments(t *testing.T) {
	const noise = "{}[]\",:\\u0-.eE+tfn \n\x00\xff"
	for seed := range uint64(2000) {
		g := generator{rand.New(rand.NewPCG(seed, 0)), nil}
		g.object(4)
		requireAgreement(t, g.doc)
		for range 4 { // nearly valid documents: one byte changed or removed, or the rest removed
			at := g.IntN(len(g.doc))
			requireAgreement(t, slices.Concat(g.doc[:at], []byte{noise[g.IntN(len(noise))]}, g.doc[at+1:]))
			requireAgreement(t, slices.Concat(g.doc[:at], g.doc[at+1:]))
			requireAgreement(t, g.doc[:at:at])
		}
	}
}

type generator struct {
	*rand.Rand
	doc []byte
}

func (g *generator) oneOf(parts ...string) { g.doc = append(g.doc, parts[g.IntN(len(parts))]...) }

func (g *generator) space() { g.oneOf("", "", "", "", "", "", " ", "\n\t\r  ") }

func (g *generator) object(depth int) {
	g.list("{", "}", func() {
		g.oneOf(`"event"`, `"id"`, `"ID"`, `"Id"`, `"i\u0044"`, `"SKIP"`, "\"s\u212aip\"", `"\u017fkip"`, `"sk"`, `"ſk"`, `"ΣΣ"`, `"a\/b"`,
			`""`, `"other"`, "\"i\xff\"", `"idx"`, `"event\n"`)
		g.space()
		g.oneOf(":")
		g.space()
		g.value(depth - 1)
	})
}

func (g *generator) value(depth int) {
	switch g.IntN(8) {
	case 0:
		if depth > 0 {
			g.object(depth)
			return
		}
	case 1:
		if depth > 0 {
			g.list("[", "]", func() { g.value(depth - 1) })
			return
		}
	case 2:
		g.oneOf(`0`, `-0`, `12`, `-3.25`, `1e9`, `0.5E-10`, `1.0e+007`)
		return
	case 3:
		g.oneOf(`null`, `null`, `true`, `false`)
		return
	}
	g.oneOf(`"`)
	for range g.IntN(5) {
		g.oneOf("a", "bcdefgh", "more than eight bytes", "é", "😀", "\xff", "\x7f", `\n`, `\"`, `\\`, `\u00e9`, `\ud83d`, `\ude00`)
	}
	g.oneOf(`"`)
}

func (g *generator) list(begin, end string, element func()) {
	g.space()
	g.oneOf(begin)
	for i := range g.IntN(6) {
		if i > 0 {
			g.oneOf(",")
		}
		g.space()
		element()
		g.space()
	}
	g.oneOf(end)
	g.space()
}

func requireAgreement(t *testing.T, doc []byte) {
	before := string(doc)
	values := make([][]byte, len(memberNames))
	err := Scan(doc, memberNames, values)
	if !bytes.Equal([]byte(before), doc) {
		require.Equal(t, before, string(doc), "the document was written to")
	}
	if !json.Valid(doc) {
		requireSameError(t, doc, err)
		requireNothing(t, values)
		return
	}
	if strings.TrimLeft(before, " \t\r\n")[0] != '{' {
		require.ErrorIs(t, err, ErrNotObject)
		requireNothing(t, values)
		return
	}
	require.NoError(t, err, "%q", doc)
	var m members
	require.NoError(t, json.Unmarshal(doc, &m), "%q", doc)
	for i, want := range []member{m.Event, m.ID, m.Shouted, m.Skip, m.Folded, m.Greek, m.Slash} {
		if !bytes.Equal(want, values[i]) || (want == nil) != (values[i] == nil) {
			require.Equal(t, want, values[i], "%s of %q", memberNames[i], doc)
		}
	}
}

func requireNothing(t *testing.T, values [][]byte) {
	for _, v := range values {
		require.Nil(t, v)
	}
}

// sameOffsets is false if encoding/json uses its second version, which counts differently.
var sameOffsets = func() bool {
	var syntax *json.SyntaxError
	return errors.As(json.Unmarshal([]byte(`{"a":1 /`), new(any)), &syntax) && syntax.Offset == 8
}()

// requireSameError checks that err reports the same problem at the same byte as encoding/json.
func requireSameError(t *testing.T, doc []byte, err error) {
	theirs := json.Unmarshal(doc, new(members))
	require.Error(t, theirs)
	if strings.Contains(theirs.Error(), "max depth") {
		require.ErrorIs(t, err, ErrTooDeep)
		return
	}
	var ours *SyntaxError
	require.ErrorAs(t, err, &ours, "%q: %v instead of %v", doc, err, theirs)
	var syntax *json.SyntaxError
	if sameOffsets {
		require.ErrorAs(t, theirs, &syntax, "%q: %v", doc, theirs)
		require.Equal(t, syntax.Offset, int64(min(ours.Offset+1, len(doc))), "%q: %v instead of %v", doc, err, theirs)
	}
}

func FuzzString(f *testing.F) {
	for _, raw := range []string{
		`""`, `"abcdefghij"`, `"\"\\\/\b\f\n\r\t"`, `"\ud83d\ude00"`, `"\ud83d\ud83d\ude00\u0041"`, `"\ud800\n\udc00"`, "\"\xff\xc3\\u00e9é\"",
		`"`, `"a`, ` "a"`, `"a" `, `null`, `1`, `"\u12"`, `"\x"`, "\"\n\"", `"a""b"`,
	} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, ok := String(raw)
		// encoding/json also accepts null, and whitespace around the string.
		if KindOf(raw) != KindString || raw[len(raw)-1] != '"' {
			require.False(t, ok)
			require.Empty(t, s)
			return
		}
		var want string
		require.Equal(t, json.Unmarshal(raw, &want) == nil, ok)
		require.Equal(t, want, s)
	})
}
