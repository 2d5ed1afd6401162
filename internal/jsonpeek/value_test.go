package jsonpeek

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestString_DecodesLikeEncodingJSON(t *testing.T) {
	for raw, want := range map[string]string{
		`""`:                                  "",
		`"plain"`:                             "plain",
		`"é 😀"`:                               "é 😀",
		`"\"\\\/\b\f\n\r\t"`:                  "\"\\/\b\f\n\r\t",
		`"\u0041\u00e9\u00E9\uFFFD"`:          "Aéé\ufffd",
		`"a\u0000b"`:                          "a\x00b",
		`"\ud83d\ude00"`:                      "😀",
		`"x\uD83D\uDE00y"`:                    "x😀y",
		`"\ud83d"`:                            "\ufffd",
		`"\ude00"`:                            "\ufffd",
		`"\ud83d\u0041"`:                      "\ufffdA",
		`"\ud83d\ud83d\ude00"`:                "\ufffd😀",
		`"\ude00\ud83d"`:                      "\ufffd\ufffd",
		`"\ud83d\n12345"`:                     "\ufffd\n12345",
		`"\ud83d\ndc00"`:                      "\ufffd\ndc00",
		`"\ud83dxude00"`:                      "\ufffdxude00",
		`"\ud83d\\ude00"`:                     "\ufffd\\ude00",
		"\"\xff\"":                            "\ufffd",
		"\"a\xf0\x9f\x98z\xc3\"":              "a\ufffd\ufffd\ufffdz\ufffd",
		"\"\xed\xa0\x80\"":                    "\ufffd\ufffd\ufffd",
		"\"\\n\xff\"":                         "\n\ufffd",
		`"` + strings.Repeat(`é\n`, 99) + `"`: strings.Repeat("é\n", 99),
	} {
		var decoded string
		require.NoError(t, json.Unmarshal([]byte(raw), &decoded), raw)
		require.Equal(t, want, decoded, raw)
		s, ok := String([]byte(raw))
		require.True(t, ok, raw)
		require.Equal(t, want, s, raw)
	}
}

func TestString_RefusesOtherInput(t *testing.T) {
	for _, raw := range []string{
		``, `"`, `a`, `null`, `1`, `{}`, `["a"]`, `true`, ` "a"`, `"a" `, `"a`, `a"`, `"a\"`, `"a"b"`, `"a""`, `'a'`, `"\x"`, `"\u12"`, "\"\n\"",
	} {
		s, ok := String([]byte(raw))
		require.False(t, ok, raw)
		require.Empty(t, s)
	}
	_, ok := String(nil)
	require.False(t, ok)
}

func TestString_DoesNotRetainDocument(t *testing.T) {
	raw := []byte(`"abc"`)
	s, _ := String(raw)
	raw[1] = 'x'
	require.Equal(t, "abc", s)
}

func TestKindOf_UsesFirstByte(t *testing.T) {
	for raw, want := range map[string]Kind{
		`{}`: KindObject, `[1]`: KindArray, `"a"`: KindString, `0`: KindNumber, `9.5`: KindNumber, `-1`: KindNumber,
		`true`: KindBool, `false`: KindBool, `null`: KindNull, ``: KindNone, ` 1`: KindNone, `+1`: KindNone, `x`: KindNone,
	} {
		require.Equal(t, want, KindOf([]byte(raw)), raw)
	}
	require.Equal(t, KindNone, KindOf(nil))
}

func TestKind_PrintsItsName(t *testing.T) {
	names := []string{"none", "object", "array", "string", "number", "bool", "null"}
	for k, name := range names {
		require.Equal(t, name, Kind(k).String())
	}
}
