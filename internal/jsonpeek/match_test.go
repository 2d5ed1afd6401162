package jsonpeek

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNamesMatchAsEncodingJSONMatchesThem(t *testing.T) {
	for _, c := range []struct {
		why, key, name string
		matches        bool
	}{
		{"exactly", `event_id`, "event_id", true},
		{"in another case", `Event_ID`, "event_id", true},
		{"in another case", `event_id`, "EVENT_ID", true},
		{"not a prefix", `event`, "event_id", false},
		{"not a longer name", `event_id2`, "event_id", false},
		{"not with an underscore dropped", `eventid`, "event_id", false},
		{"not with space", `event_id `, "event_id", false},
		{"not another of the same length", `event_ie`, "event_id", false},
		{"not what differs by the case bit but is not a letter", `{id`, "[id", false},
		{"not what differs by the case bit but is not a letter", `a@`, "a`", false},
		{"long s", "ſet", "set", true},
		{"long s, escaped", `\u017fET`, "set", true},
		{"long s in the name", "SET", "ſet", true},
		{"the sign for kelvin", "\u212aey", "key", true},
		{"the sign for kelvin, within", `to\u212Aen`, "token", true},
		{"the sign for kelvin in the name", "key", "\u212aey", true},
		{"other alphabets", "ΣΊΣΥΦΟΣ", "σίσυφος", true},
		{"other alphabets", "é", "É", true},
		{"not by more than simple folding", "ß", "ss", false},
		{"not by accents", "é", "e", false},
		{"escaped", `\u0065vent`, "event", true},
		{"escaped, in another case", `\u0045vent`, "event", true},
		{"escaped to the end", `even\u0074`, "event", true},
		{"an escaped slash", `a\/b`, "a/b", true},
		{"escapes are not letters", `\n`, "n", false},
		{"a backslash in the name is literal", `a\nb`, `a\nb`, false},
		{"a backslash in the name is literal", `a\\nb`, `a\nb`, true},
		{"a surrogate pair", `\ud83d\ude00`, "😀", true},
		{"invalid UTF-8 is the replacement character", "a\xff", "a\ufffd", true},
		{"an unpaired surrogate too", `a\ud800`, "a\ufffd", true},
		{"empty", ``, "", true},
		{"empty is not everything", ``, "a", false},
		{"nothing is not anything", `a`, "", false},
	} {
		found, err := find(`{"`+c.key+`":1}`, c.name)
		require.NoError(t, err, c.key)
		require.Equal(t, c.matches, found[0] == "1", "%s: key %s, name %s", c.why, c.key, c.name)
	}
}

func TestAnExactMatchGoesBeforeAFoldedOneAndAnEarlierNameBeforeALater(t *testing.T) {
	for _, c := range []struct{ key, found string }{
		{`id`, "id"},
		{`ID`, "ID"},
		{`Id`, "Id"},
		{`iD`, "ID"}, // the first that folds to it
		{`\u0069d`, "id"},
		{`\u0049d`, "Id"},
		{`i\u0044`, "ID"},
		{`\u017f`, "ſ"},
		{`ſ`, "ſ"},
		{`S`, "s"},
	} {
		names := []string{"other", "ID", "id", "Id", "s", "ſ"}
		found, err := find(`{"`+c.key+`":1}`, names...)
		require.NoError(t, err)
		for i, name := range names {
			require.Equal(t, name == c.found, found[i] == "1", "key %s, name %s", c.key, name)
		}
	}
}
