package jsonpeek

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// find scans doc and returns the values as strings, or "" for a missing value.
func find(doc string, names ...string) ([]string, error) {
	values := make([][]byte, len(names))
	err := Scan([]byte(doc), names, values)
	found := make([]string, len(names))
	for i, v := range values {
		found[i] = string(v)
	}
	return found, err
}

// nested returns an object with depth nested arrays or objects.
func nested(depth int, open, end string) string {
	return `{"a":` + strings.Repeat(open, depth-1) + "0" + strings.Repeat(end, depth-1) + "}"
}

var valid = []string{
	`{}`,
	" \t\r\n{ \t\r\n} \t\r\n",
	`{"a":1}`,
	"{ \"a\" \n:\t1 , \"b\" : [ ] }",
	`{"a":[1,[2,{"b":[]}],{}],"c":{"d":{"e":null}}}`,
	`{"a":[ 1 , 2 ]}`,
	`{"a":true,"b":false,"c":null}`,
	`{"":""}`,
	`{"a":0,"b":-0,"c":10,"d":-19,"e":0.5,"f":1.25e9,"g":1E+3,"h":0e-12,"i":-1.0E0}`,
	`{"a":"\"\\\/\b\f\n\r\t\u00e9\uABCD\uabcd\u0000"}`,
	`{"a":"\ud800","b":"\ud83d\ude00"}`,
	"{\"a\":\"\x7f é 😀 12345678 1234567\"}",
	"{\"a\":\"\xff\xfe\xc3\",\"\xff\":1}",
	`{"12345678901234567890":"12345678901234567890\"12345678901234567890"}`,
	`{"a":"                        "}`,
	nested(63, "[", "]"),
	nested(64, "[", "]"),
	nested(65, "[", "]"),
	nested(66, `{"b":`, "}"),
	nested(129, `[{"b":`, "}]"),
	nested(maxDepth, "[", "]"),
	nested(maxDepth, `{"b":`, "}"),
}

func TestScanAcceptsEveryObjectThatEncodingJSONAccepts(t *testing.T) {
	for _, doc := range valid {
		require.True(t, json.Valid([]byte(doc)), doc)
		_, err := find(doc)
		require.NoError(t, err, doc)
	}
}

func TestScanRefusesValidJSONThatIsNotAnObject(t *testing.T) {
	for _, doc := range []string{`null`, `true`, ` false `, `[]`, `[{"a":1}]`, `"a"`, `0`, `-1.5e3`} {
		require.True(t, json.Valid([]byte(doc)), doc)
		_, err := find(doc)
		require.ErrorIs(t, err, ErrNotObject, doc)
	}
}

func TestScanRefusesNestingBeyondTheLimitOfEncodingJSON(t *testing.T) {
	for _, doc := range []string{
		nested(maxDepth+1, "[", "]"),
		nested(maxDepth+1, `{"b":`, "}"),
		strings.Repeat("[", maxDepth+1),
		strings.Repeat("[", 1<<20),
		strings.Repeat(`{"a":`, 1<<20),
	} {
		require.False(t, json.Valid([]byte(doc)))
		_, err := find(doc)
		require.ErrorIs(t, err, ErrTooDeep)
	}
}

func TestScanTellsArraysFromObjectsAtEveryDepth(t *testing.T) {
	for depth := 1; depth < 300; depth++ {
		opened := strings.Repeat(`[{"b":`, depth)
		closed := strings.Repeat("}]", depth)
		_, err := find(`{"a":` + opened + "0" + closed + "}")
		require.NoError(t, err, depth)
		for _, doc := range []string{ // the last bracket, or one in the middle, is of the wrong kind
			`{"a":` + opened + "0" + closed[:2*depth-1] + "}}",
			`{"a":` + opened + "0" + closed[:2*(depth/2)] + "]" + closed[2*(depth/2)+1:] + "}",
		} {
			_, err = find(doc)
			require.Error(t, err, depth)
			require.False(t, json.Valid([]byte(doc)), depth)
		}
	}
}

var invalid = []struct {
	doc    string
	offset int
	says   string
}{
	{"", 0, "the document is empty"},
	{" \n\t\r ", 5, "the document is empty"},
	{"\xef\xbb\xbf{}", 0, "the document begins with a byte order mark, which JSON does not allow"},
	{" \xef\xbb\xbf{}", 1, "byte 0xef where a value should begin"},
	{`x`, 0, "'x' where a value should begin"},
	{`+1`, 0, "'+' where a value should begin"},
	{"\v{}", 0, "byte 0x0b where a value should begin"},
	{"\u00a0{}", 0, "byte 0xc2 where a value should begin"},
	{`}`, 0, "'}' where a value should begin"},
	{`{`, 1, "the document ends where the quoted name of a member should begin"},
	{`{ `, 2, "the document ends where the quoted name of a member should begin"},
	{`{]`, 1, "']' where the quoted name of a member should begin"},
	{`{,}`, 1, "',' where the quoted name of a member should begin"},
	{`{a:1}`, 1, "'a' where the quoted name of a member should begin"},
	{`{'a':1}`, 1, "''' where the quoted name of a member should begin"},
	{`{null:1}`, 1, "'n' where the quoted name of a member should begin"},
	{`{"a":1,}`, 7, "'}' where the quoted name of a member should begin"},
	{`{"a":1,"b"`, 10, "the document ends where a colon should follow the name of a member"},
	{`{"a" 1}`, 5, "'1' where a colon should follow the name of a member"},
	{`{"a"}`, 4, "'}' where a colon should follow the name of a member"},
	{`{"a":`, 5, "the document ends where a value should begin"},
	{`{"a":}`, 5, "'}' where a value should begin"},
	{`{"a"::1}`, 5, "':' where a value should begin"},
	{`{"a":1`, 6, "the document ends where a comma or a closing brace should follow a member"},
	{`{"a":1]`, 6, "']' where a comma or a closing brace should follow a member"},
	{`{"a":1 "b":2}`, 7, "'\"' where a comma or a closing brace should follow a member"},
	{`{"a":1;"b":2}`, 6, "';' where a comma or a closing brace should follow a member"},
	{`{"a":[`, 6, "the document ends where a value should begin"},
	{`{"a":[}`, 6, "'}' where a value should begin"},
	{`{"a":[,1]}`, 6, "',' where a value should begin"},
	{`{"a":[1,]}`, 8, "']' where a value should begin"},
	{`{"a":[1`, 7, "the document ends where a comma or a closing bracket should follow an element"},
	{`{"a":[1}`, 7, "'}' where a comma or a closing bracket should follow an element"},
	{`{"a":[1 2]}`, 8, "'2' where a comma or a closing bracket should follow an element"},
	{`{"a":["b":1]}`, 9, "':' where a comma or a closing bracket should follow an element"},
	{`[1`, 2, "the document ends where a comma or a closing bracket should follow an element"},
	{`{}}`, 2, "'}' after the end of the value"},
	{`{} {}`, 3, "'{' after the end of the value"},
	{`{},`, 2, "',' after the end of the value"},
	{"{}\x00", 2, "byte 0x00 after the end of the value"},
	{`null x`, 5, "'x' after the end of the value"},
	{`1.5.1`, 3, "'.' after the end of the value"},
	{`{"a":01}`, 6, "'1' where a comma or a closing brace should follow a member"},
	{`{"a":-}`, 6, "'}' where a number should have a digit"},
	{`{"a":-`, 6, "the document ends where a number should have a digit"},
	{`{"a":-a}`, 6, "'a' where a number should have a digit"},
	{`{"a":.5}`, 5, "'.' where a value should begin"},
	{`{"a":1.}`, 7, "'}' where a number should have a digit"},
	{`{"a":1.e1}`, 7, "'e' where a number should have a digit"},
	{`1.`, 2, "the document ends where a number should have a digit"},
	{`{"a":1e}`, 7, "'}' where a number should have a digit"},
	{`{"a":1e+}`, 8, "'}' where a number should have a digit"},
	{`{"a":1e+-1}`, 8, "'-' where a number should have a digit"},
	{`{"a":1e1.5}`, 8, "'.' where a comma or a closing brace should follow a member"},
	{`1e`, 2, "the document ends where a number should have a digit"},
	{`1E-`, 3, "the document ends where a number should have a digit"},
	{`{"a":0x10}`, 6, "'x' where a comma or a closing brace should follow a member"},
	{`{"a":NaN}`, 5, "'N' where a value should begin"},
	{`{"a":tru}`, 8, "'}' inside true, false or null"},
	{`{"a":fals `, 9, "byte 0x20 inside true, false or null"},
	{`{"a":nul`, 8, "the document ends inside true, false or null"},
	{`{"a":nulL}`, 8, "'L' inside true, false or null"},
	{`{"a":True}`, 5, "'T' where a value should begin"},
	{`{"a":truex}`, 9, "'x' where a comma or a closing brace should follow a member"},
	{`{"a`, 3, "the document ends inside a string"},
	{`{"a":"b`, 7, "the document ends inside a string"},
	{`{"a":"12345678`, 14, "the document ends inside a string"},
	{"{\"a\":\"\n\"}", 6, "byte 0x0a inside a string"},
	{"{\"a\":\"1234567\x1f12345678\"}", 13, "byte 0x1f inside a string"},
	{"{\"a\x00\":1}", 3, "byte 0x00 inside a string"},
	{`{"a":"\x41"}`, 7, "'x' after the backslash of an escape in a string"},
	{`{"a":"\'"}`, 7, "''' after the backslash of an escape in a string"},
	{`{"a":"\`, 7, "the document ends after the backslash of an escape in a string"},
	{`{"a":"\U0041"}`, 7, "'U' after the backslash of an escape in a string"},
	{`{"a":"\u"}`, 8, "'\"' where an escape in a string should have four hexadecimal digits"},
	{`{"a":"\u004`, 11, "the document ends where an escape in a string should have four hexadecimal digits"},
	{`{"a":"\u00g0"}`, 10, "'g' where an escape in a string should have four hexadecimal digits"},
	{`{"a":"\u000@"}`, 11, "'@' where an escape in a string should have four hexadecimal digits"},
	{"{\"a\":\"\\u00\xc3\xa9\"}", 10, "byte 0xc3 where an escape in a string should have four hexadecimal digits"},
	{`{"a":1 /* no */}`, 7, "'/' where a comma or a closing brace should follow a member"},
}

func TestScanSaysWhereAndWhyADocumentIsInvalid(t *testing.T) {
	for _, c := range invalid {
		require.False(t, json.Valid([]byte(c.doc)), c.doc)
		_, err := find(c.doc)
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax, c.doc)
		require.Equal(t, SyntaxError{c.offset, c.says}, *syntax, c.doc)
	}
	_, err := find(`{"a":x}`)
	require.EqualError(t, err, "invalid JSON at byte 5: 'x' where a value should begin")
}

func TestScanRefusesEveryControlCharacterInAStringAtEveryPlace(t *testing.T) {
	for c := range byte(0x20) {
		for before := range 20 {
			for after := range 20 {
				_, err := find(`{"a":"` + strings.Repeat("x", before) + string(rune(c)) + strings.Repeat("x", after) + `"}`)
				var syntax *SyntaxError
				require.ErrorAs(t, err, &syntax)
				require.Equal(t, 6+before, syntax.Offset)
			}
		}
	}
}

func TestScanPassesEveryOtherByteInAStringAtEveryPlace(t *testing.T) {
	for c := 0x20; c <= 0xff; c++ {
		for before := range 20 {
			text := strings.Repeat("x", before) + string([]byte{byte(c)}) + "xxxxxxxxx"
			if c == '"' || c == '\\' {
				text = strings.Repeat("x", before) + `\` + string(rune(c)) + "xxxxxxxxx"
			}
			found, err := find(`{"a":"`+text+`"}`, "a")
			require.NoError(t, err)
			require.Equal(t, `"`+text+`"`, found[0])
		}
	}
}

func TestEveryPrefixOfADocumentEndsTooSoon(t *testing.T) {
	doc := `{"a":[1.5e+3,-2,{"b\u00e9":"c\n"},true,false,null,{}],"d":""}`
	for i := 1; i < len(doc); i++ {
		_, err := find(doc[:i])
		var syntax *SyntaxError
		require.ErrorAs(t, err, &syntax, doc[:i])
		require.Equal(t, i, syntax.Offset)
		require.Contains(t, syntax.Problem, "the document ends ")
	}
}

func TestScanFindsTopLevelMembersOnly(t *testing.T) {
	found, err := find(`{"data":{"id":"inner","type":{"id":1}},"list":[{"id":2}],"id" : "outer" }`, "id", "type", "data", "list")
	require.NoError(t, err)
	require.Equal(t, []string{`"outer"`, "", `{"id":"inner","type":{"id":1}}`, `[{"id":2}]`}, found)
}

func TestScanFindsValuesOfEveryKindWithoutTheSpaceAroundThem(t *testing.T) {
	for _, value := range []string{`"x"`, `""`, `0`, `-1.5e9`, `true`, `false`, `{}`, `[]`, `{ "a" : [ 1 ] }`, `[ { } , [ ] ]`} {
		for _, doc := range []string{`{"a":` + value + `}`, "{\"a\" :\n " + value + "\t }", `{"z":[],"a":` + value + `,"b":1}`} {
			found, err := find(doc, "a")
			require.NoError(t, err)
			require.Equal(t, value, found[0], doc)
		}
	}
}

func TestTheLastMemberOfANameWins(t *testing.T) {
	found, err := find(`{"id":1,"ID":2,"\u0069d":3,"x":{"id":4}}`, "id")
	require.NoError(t, err)
	require.Equal(t, []string{"3"}, found)
}

func TestNullIsAbsentAndHidesNothing(t *testing.T) {
	found, err := find(`{"id":1,"id":null,"type":null,"data":null,"data":{}}`, "id", "type", "data")
	require.NoError(t, err)
	require.Equal(t, []string{"1", "", "{}"}, found)
}

func TestValuesAreClearedFirstAndAfterAnError(t *testing.T) {
	values := [][]byte{[]byte("stale"), []byte("stale")}
	require.NoError(t, Scan([]byte(`{"a":1}`), []string{"a", "b"}, values))
	require.Equal(t, [][]byte{[]byte("1"), nil}, values)
	require.Error(t, Scan([]byte(`{"a":1,"b":2`), []string{"a", "b"}, values))
	require.Equal(t, [][]byte{nil, nil}, values)
}

func TestAppendingToAValueLeavesTheDocumentAlone(t *testing.T) {
	doc := []byte(`{"a":1,"b":2}`)
	values := make([][]byte, 1)
	require.NoError(t, Scan(doc, []string{"a"}, values))
	require.Same(t, &doc[5], &values[0][0])
	_ = append(values[0], "garbage"...)
	require.Equal(t, `{"a":1,"b":2}`, string(doc))
}

func TestScanPanicsUnlessEachNameHasItsValue(t *testing.T) {
	for _, n := range []int{0, 2} {
		require.PanicsWithValue(t, "jsonpeek: Scan: values and names must have the same length", func() {
			_ = Scan([]byte(`{}`), []string{"a"}, make([][]byte, n, 4))
		})
	}
}

func TestErrorsOfOneSortAreNotOfAnother(t *testing.T) {
	var syntax *SyntaxError
	require.NotErrorAs(t, ErrNotObject, &syntax)
	require.NotErrorAs(t, ErrTooDeep, &syntax)
	require.NotErrorIs(t, ErrTooDeep, ErrNotObject)
}
