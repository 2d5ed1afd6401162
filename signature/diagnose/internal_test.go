package diagnose

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/signature"
)

// longestJSON is maxJSON.
const longestJSON = 256 << 10

// requireChanges applies a change to each key of want. An empty value means that the change does not apply.
func requireChanges(t *testing.T, change func([]byte) []byte, want map[string]string) {
	t.Helper()
	for before, after := range want {
		require.Equal(t, after, string(change([]byte(before))), "%.80q", before)
	}
}

func TestExplain_ReadsBodyFromBothBase64Alphabets(t *testing.T) {
	requireChanges(t, fromBase64, map[string]string{
		" aGVs\n": "hel", "aGVsbA==": "hell", "+/8=": "\xfb\xff", "/A==": "\xfc", "-_8": "\xfb\xff", "_A": "\xfc",
		"": "", "x": "", "====": "", `{"a":1}`: "", "aGVs*": "",
	})
}

func TestExplain_ReadsBodyFromJSONMember(t *testing.T) {
	longest := strings.Repeat("x", longestJSON-len(`{"body":""}`))
	requireChanges(t, fromMember("body"), map[string]string{
		` {"body":"a\tb"} `: "a\tb", `{"body":{"c":1}}`: `{"c":1}`, `{"body":null}`: "", `{"a":"body","body":2}`: "2",
		`{"payload":1}`: "", `["body"]`: "", `{"body":1`: "", "": "",
		`{"body":"` + longest + `"}`: longest, `{"body":"x` + longest + `"}`: "",
	})
}

func TestExplain_ReadsBodyFromJSONString(t *testing.T) {
	longest := strings.Repeat("x", longestJSON-2)
	requireChanges(t, fromString, map[string]string{
		" \"a\\u0062\"\n": "ab", `"`: "", `"a" 1`: "", "{}": "", "a": "", `"` + longest + `"`: longest, `"x` + longest + `"`: "",
	})
	require.Nil(t, fromString([]byte("null")), "it is no string, although it can be decoded as one")
}

func TestExplain_ReadsBodyFromList(t *testing.T) {
	requireChanges(t, fromList, map[string]string{" [ {} ] ": "{}", "[1]": "1", "[]": "", "[1": "", "1]": "", "": "", "[": "", "]": ""})
}

func TestExplain_ReadsBodyFromURLEncodedFields(t *testing.T) {
	requireChanges(t, fromForm, map[string]string{
		"a=1&b=%7B%22c%22%3A1%7D": `{"c":1}`, "%5B1%5D=": "[1]", "a=+[]": " []", "a": "", "%7B%7D": "", "a=%zz": "",
		`{"a":"=&b=[1]`:                    "",
		"a=1&b=2&c=3&d=4&e=5&f=6&g=7&h={}": "{}", "a=1&b=2&c=3&d=4&e=5&f=6&g=7&h=8&i={}": "",
	})
}

func TestExplain_LimitsGzipBody(t *testing.T) {
	compressed := func(size int) string {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write(make([]byte, size))
		require.NoError(t, err)
		require.NoError(t, w.Close())
		return out.String()
	}
	requireChanges(t, fromGzip, map[string]string{
		compressed(1): "\x00", compressed(longestJSON): string(make([]byte, longestJSON)), compressed(longestJSON + 1): "",
		compressed(9)[:12]: "", "\x1f\x8b": "", "text": "",
	})
}

func TestExplain_ConvertsCharsetsAtBounds(t *testing.T) {
	requireChanges(t, fromLatin1, map[string]string{"a\u007f\u0080\u00ff": "a\x7f\x80\xff", "\u0100": "", "\ufffd": "", "\xff": ""})
	requireChanges(t, fromWindows1252, map[string]string{
		"\u007f€\u0081Ÿ\u00a0\u00ff": "\x7f\x80\x81\x9f\xa0\xff", "\u008d\u008f\u0090\u009d": "\x8d\x8f\x90\x9d", "\u0080": "", "\u009f": "", "\u0100": "", "\ufffd": "",
	})
	requireChanges(t, toWindows1252, map[string]string{"\x7f\x80\x81\x9f\xa0\xff": "\u007f€\u0081Ÿ\u00a0\u00ff", "é": "", "": ""})
	for text, want := range map[string]string{
		"h\x00i\x00": "hi", "\x00h\x00i": "hi", "\xff\xfeh\x00": "h", "\xfe\xff\x00h": "h", "\xff\xfe\x20\x21": "℠", "\xfe\xff\x21\x20": "℠",
		"a\x00\x20\x21": "a℠", "\x00a\x21\x20": "a℠", "h\x00": "", "h\x00i": "", "h\x00i\x00!": "", "hihi": "", "": "",
	} {
		require.Equal(t, want, fromUTF16(text), "%q", text)
	}
}

func TestExplain_RemembersTriedBodies(t *testing.T) {
	tr := tried{seed: maphash.MakeSeed()}
	require.False(t, tr.before([]byte("a")))
	require.False(t, tr.before([]byte("b")))
	require.True(t, tr.before([]byte("a")))
	require.True(t, tr.before([]byte("b")))
	require.Len(t, tr.seen, 2)
}

// What cannot be a header's name, or is a very long one, could write into the log.
func TestExplain_ReportsPlainHeaderNamesOnly(t *testing.T) {
	name := func(length int) string { return "X-Signature" + strings.Repeat("x", length-len("X-Signature")) }
	for other, want := range map[string]string{
		name(64): name(64), name(65): "", "X-Hub-Hmac": "X-Hub-Hmac", "X-Hub": "", "Signature X": "", "X-Signature\n": "", "X-Time-Signature": "", "X-Own-Signature": "",
	} {
		d := &diagnoser{in: &Input{
			Scheme: signature.Scheme{Header: "X-Own-Signature", Fields: []signature.Field{{Header: "X-Time-Signature"}}},
			Header: http.Header{other: {"a"}},
		}}
		require.Equal(t, want, d.headerOfAnother(), "%q", other)
	}
	require.False(t, isToken(""))
	require.True(t, isToken("a"))
	require.False(t, isToken("a "))
	require.False(t, isToken(" a"))
}

func TestExplain_ReportsTimeUnitAndFormat(t *testing.T) {
	for value, want := range map[string]Cause{
		"1795283259000000": TimeUnit, "1795283259000000000": TimeUnit, "17952832590000000": HeaderMalformed, "179528325900000000x": HeaderMalformed,
		"179528325900000x": HeaderMalformed, "1795283259.25": TimeFormat, "1795283259.": HeaderMalformed, ".25": HeaderMalformed, "1.25": HeaderMalformed,
		"1795283259.2x": HeaderMalformed, "1795283259,25": HeaderMalformed, "2026-11-26T10:00:00Z": TimeFormat, "2026-11-26": HeaderMalformed,
	} {
		require.Equal(t, want, notUnixTime("X-Time", value).Cause, value)
	}
	require.Contains(t, notUnixTime("X-Time", "1795283259000000").Text, "microseconds")
	require.Contains(t, notUnixTime("X-Time", "1795283259000000000").Text, "nanoseconds")
}

func TestExplain_RewritesJSONInEachStyle(t *testing.T) {
	const body = " {\"a\" :\t[1 , -2.5e3,true, [ ] ,{\r\n} ],\"b\\\"/\\/<>&\\u003c\":{\"é😀\\u00e9\\ud83d\\ude00\\ud83d\": \"\\b\\f\\n\\r\\t\\\\\\u0001\\u2028\u2029\u007f\\u0020\\u0080\\uffff\U00010000\"}}\n"
	const (
		slashes = `{"a":[1,-2.5e3,true,[],{}],"b\"`
		control = `":"\b\f\n\r\t\\\u0001`
		plain   = "\u2028\u2029\u007f \u0080\uffff\U00010000\"}}"
	)
	for style, want := range map[jsonStyle]string{
		{}:                      slashes + `/\/<>&\u003c":{"é😀\u00e9\ud83d\ude00\ud83d` + control + `\u2028` + "\u2029\u007f" + `\u0020\u0080\uffff` + "\U00010000\"}}",
		{escape: unescaped}:     slashes + `//<>&<":{"é😀é😀\ud83d` + control + plain,
		{escape: escapeSlashes}: slashes + `\/\/<>&<":{"é😀é😀\ud83d` + control + plain,
		{escape: escapeHTML}:    slashes + `//\u003c\u003e\u0026\u003c":{"é😀é😀\ud83d` + control + `\u2028\u2029` + strings.TrimPrefix(plain, "\u2028\u2029"),
		{escape: escapeASCII}:   slashes + `//<>&<":{"\u00e9\ud83d\ude00\u00e9\ud83d\ude00\ud83d` + control + `\u2028\u2029` + "\u007f" + ` \u0080\uffff\ud800\udc00"}}`,
	} {
		require.Equal(t, want, string(style.rewrite([]byte(body), all)), "%+v", style)
	}
	const spaced = " {\"a\" :\t[1 , [ ] ,{\r\n} ],\"b\":{\"c\": \"d e\"}}\n"
	for style, want := range map[jsonStyle]string{
		{space: " ", end: "\n"}: `{"a": [1, [], {}], "b": {"c": "d e"}}` + "\n",
		{indent: "\t"}:          "{\n\t\"a\": [\n\t\t1,\n\t\t[],\n\t\t{}\n\t],\n\t\"b\": {\n\t\t\"c\": \"d e\"\n\t}\n}",
	} {
		require.Equal(t, want, string(style.rewrite([]byte(spaced), all)), "%+v", style)
	}
	require.Equal(t, `{"a":1e2,"b":1.0}`, string(sortMembers([]byte(`{"b":1.0, "a":1e2}`))), "numbers stay as they are")
}

// all pays for everything.
func all(int) bool { return true }

// What is written is paid for before, a KiB at a time.
func TestExplain_SpendsForAllItWrites(t *testing.T) {
	for body, want := range map[string]int{
		"[1]": 1025, "[" + strings.Repeat("1", 1023) + "]": 1025, "[" + strings.Repeat("1", 1025) + "]": 2050, "  ": 0,
	} {
		paid := 0
		new(jsonStyle).rewrite([]byte(body), func(n int) bool { paid += n; return true })
		require.Equal(t, want, paid, len(body))
	}
	require.Nil(t, new(jsonStyle).rewrite([]byte("[1]"), func(int) bool { return false }))
}

// Rewriting costs four times what hashing does, and sorting four times that.
func TestExplain_SpendsForEachJSONStep(t *testing.T) {
	body := []byte(`{"b":1,"a":[2]}`)
	n := int64(len(body))
	d := diagnoserFor(t, "", string(body))
	spent := func(f func()) int64 {
		before := d.left
		f()
		return before - d.left
	}
	tr := tried{seed: maphash.MakeSeed()}
	one := spent(func() { _, _ = d.styled(&tr, body, jsonStyles[:1]) })
	require.Equal(t, 4*1025+512+n, one)
	tr = tried{seed: maphash.MakeSeed()}
	styles := spent(func() {
		_, _ = d.styled(&tr, body, jsonStyles)
		_, _ = d.styled(&tr, sortMembers(body), sortedStyles)
	})
	require.Equal(t, 4*n+styles+16*n, spent(func() { _, _ = d.otherJSON(&tried{seed: maphash.MakeSeed()}) }))

	d.left = 4*n - 1
	require.Zero(t, spent(func() { _, _ = d.otherJSON(&tr) }))
	require.True(t, d.ended)
}

func TestExplain_UnescapesOneCharacter(t *testing.T) {
	for raw, want := range map[string]string{
		`a`: "a 1", "é": "é 2", "\xff": "� 1", "\ufffd": "� 3", `\n`: "\n 2", `\/`: "/ 2", `\u1a2B`: "\u1a2b 6",
		`\ud83d\ude00`: "😀 12", `\ud83d\ude0`: "� 6", `\ud83d\n12345`: "� 6", `\ud83dxude00`: "� 6", `\ude00\ud83d`: "� 6", `\ud83d`: "� 6",
	} {
		r, size := unescape([]byte(raw))
		require.Equal(t, want, fmt.Sprintf("%c %d", r, size), "%q", raw)
	}
	r, _ := unescape([]byte("\xff"))
	require.Equal(t, noRune, r)
	r, _ = unescape([]byte("\ufffd"))
	require.Equal(t, '\ufffd', r)
}

// diagnoserFor is for the body that was signed, when another arrived. It has enough budget.
func diagnoserFor(t *testing.T, signed, arrived string) *diagnoser {
	t.Helper()
	key := signature.NewKey("default", "secret")
	scheme := signature.Scheme{Header: "X-Signature", Forms: []signature.Form{{Name: "body"}}}
	ring, err := signature.NewKeyring(scheme, key)
	require.NoError(t, err)
	h := make(http.Header)
	require.NoError(t, scheme.Sign(key, "", h, []byte(signed)))
	d := newDiagnoser(&Input{Scheme: scheme, Keys: ring, Header: h, Body: []byte(arrived)})
	d.left = 1 << 30
	_, ended := d.signatureHeader()
	require.False(t, ended)
	_, ended = d.otherFields()
	require.False(t, ended)
	return d
}

func TestExplain_ParsesJSONUpToBound(t *testing.T) {
	longest := `["` + strings.Repeat("x", longestJSON-6) + `"]`
	for arrived, want := range map[string]struct {
		cause Cause
		ended bool
	}{
		longest + "  ":                     {BodyReserialized, false},
		longest + "   ":                    {"", true},
		strings.Repeat("x", longestJSON+1): {"", false}, // not JSON
		`{"a`:                              {"", false},
		"[1]":                              {"", false},
	} {
		d := diagnoserFor(t, longest, arrived)
		e, ok := d.otherJSON(&tried{seed: maphash.MakeSeed()})
		require.Equal(t, want.cause, e.Cause)
		require.Equal(t, want.cause != "", ok)
		require.Equal(t, want.ended, d.ended)
	}
	require.True(t, startsJSON([]byte(" {")))
	require.False(t, startsJSON([]byte(" ")))
}

func TestExplain_ReadsSecretFromSettingsLine(t *testing.T) {
	for line, want := range map[string]string{
		"  API_KEY=abc ; ": "abc", "export KEY='a b'": "a b", "abc": "abc", "key: “x” # y": "x", "K=v # comment": "v", "": "",
	} {
		require.Equal(t, want, fromSettings(line), line)
	}
}
