package signtest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"net/url"
	"strconv"
	"strings"

	"github.com/aihooks/aihooks-go/signature/diagnose"
)

func bodies() []Case {
	lines := strings.ReplaceAll(Body, ",", ",\n")
	crlf := strings.ReplaceAll(lines, "\n", "\r\n")
	inBase64 := base64.StdEncoding.EncodeToString([]byte(Body))
	const odd = "{\"n\":\"\u00fb\u00ff\u00fe?>~\"}" // its base64 differs between the two alphabets
	return []Case{
		arrives("a line break added", diagnose.BodyEnds, "without the line break at its end", Body, Body+"\n"),
		arrives("a CRLF added", diagnose.BodyEnds, "without the line break at its end", Body, Body+"\r\n"),
		arrives("a line break taken off", diagnose.BodyEnds, "with a line break at its end", Body+"\n", Body),
		arrives("a CRLF taken off", diagnose.BodyEnds, "(CRLF) at its end", Body+"\r\n", Body),
		arrives("whitespace added", diagnose.BodyEnds, "without the whitespace around it", Body, " "+Body+" \n"),
		arrives("LF made CRLF", diagnose.BodyLineBreaks, "with LF as line breaks", lines, crlf),
		arrives("CRLF made LF", diagnose.BodyLineBreaks, "with CRLF as line breaks", crlf, lines),
		arrives("a byte order mark added", diagnose.BodyByteOrderMark, "without the byte order mark", Body, "\ufeff"+Body),
		arrives("a byte order mark taken off", diagnose.BodyByteOrderMark, "with a byte order mark", "\ufeff"+Body, Body),
		arrives("base64 by a gateway", diagnose.BodyInBase64, "passed on in base64", Body, inBase64),
		arrives("base64 without padding", diagnose.BodyInBase64, "passed on in base64", Body+"  ", strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(Body+"  ")), "=")),
		arrives("base64 of URLs", diagnose.BodyInBase64, "passed on in base64", odd, base64.URLEncoding.EncodeToString([]byte(odd))),
		arrives("the event of a gateway", diagnose.BodyWrapped, "member body of the event", Body, `{"httpMethod":"POST","body":`+strconv.Quote(Body)+`,"isBase64Encoded":false}`),
		arrives("the event of a gateway, in base64", diagnose.BodyWrapped, "member body, in base64", Body, `{"httpMethod":"POST","body":"`+inBase64+`","isBase64Encoded":true}`),
		arrives("a JSON string of the JSON", diagnose.BodyWrapped, "text of the JSON string", Body, strconv.Quote(Body)),
		arrives("the event of a workflow", diagnose.BodyWrapped, "member body of the event", Body, `{"headers":{},"body":`+Body+`}`),
		arrives("the object of a bot", diagnose.BodyWrapped, "member payload of the object", Body, `{"payload":`+Body+`,"n":1}`),
		arrives("the text in an object", diagnose.BodyWrapped, "member payload of the object", Body, `{"payload":`+strconv.Quote(Body)+`}`),
		arrives("the notification of a queue", diagnose.BodyWrapped, "member Message", Body, `{"Type":"Notification","Message":`+strconv.Quote(Body)+`}`),
		arrives("a list with one element", diagnose.BodyWrapped, "one element of the list", Body, "["+Body+"]"),
		arrives("a list with one element, indented", diagnose.BodyWrapped, "one element of the list", Body, "[\n  "+Body+"\n]\n"),
		arrives("a form field", diagnose.BodyWrapped, "form field", Body, "payload="+url.QueryEscape(Body)),
		arrives("a form field among others", diagnose.BodyWrapped, "form field", Body, "a=1&payload="+url.QueryEscape(Body)+"&b"),
		arrives("the name of a form field", diagnose.BodyWrapped, "form field", Body, url.QueryEscape(Body)+"="),
		arrives("single quotes escaped by a template", diagnose.BodyEscaped, "backslash before each single quote", `{"text":"it's 'here'"}`, `{"text":"it\'s \'here\'"}`),
		arrives("escaped for HTML", diagnose.BodyEscaped, "before it was escaped for HTML", `{"text":"<b> & 'x'"}`, "{&quot;text&quot;:&quot;&lt;b&gt; &amp; &#39;x&#39;&quot;}"),
		arrives("quotes alone escaped for HTML", diagnose.BodyEscaped, "before it was escaped for HTML", Body, strings.ReplaceAll(Body, `"`, "&#34;")),
		arrives("Windows-1252 made UTF-8", diagnose.BodyCharset, "from Windows-1252 to UTF-8", "{\"name\":\"Ren\xe9 \x80 \x93x\x94 \x81\"}", "{\"name\":\"Ren\u00e9 \u20ac \u201cx\u201d \u0081\"}"),
		arrives("UTF-8 taken for Windows-1252", diagnose.BodyCharset, "from Windows-1252 to UTF-8", `{"name":"10 €"}`, "{\"name\":\"10 \u00e2\u201a\u00ac\"}"),
		arrives("UTF-8 made Windows-1252", diagnose.BodyCharset, "to Windows-1252", `{"name":"René €"}`, "{\"name\":\"Ren\xe9 \x80\"}"),
		arrives("UTF-8 made Latin-1", diagnose.BodyCharset, "to Windows-1252 or Latin-1", `{"name":"René"}`, "{\"name\":\"Ren\xe9\"}"),
		arrives("UTF-8 made UTF-16", diagnose.BodyCharset, "to UTF-16", Body, "\xff\xfe"+utf16Of(Body)),
		arrives("compressed", diagnose.BodyCompressed, "before it was compressed", Body, string(Compress([]byte(Body)))),
		arrives("Latin-1 made UTF-8", diagnose.BodyCharset, "from Latin-1 to UTF-8", "{\"name\":\"Ren\xe9\"}", `{"name":"René"}`),
		arrives("UTF-8 taken for Latin-1", diagnose.BodyCharset, "from Latin-1 to UTF-8", `{"name":"René"}`, "{\"name\":\"Ren\u00c3\u00a9\"}"),
		changes("a body that was read before", diagnose.BodyEmpty, "although the request declared one", func(_ *Sender, d *Delivery) {
			d.Body = nil
		}).unseen(),
		changes("a body that was read before, of unknown length", diagnose.BodyEmpty, "if the sender sent one", func(_ *Sender, d *Delivery) {
			d.Body, d.Declared = nil, 0
		}),
		changes("a body cut off", diagnose.BodyLength, "shorter than the request declared", func(_ *Sender, d *Delivery) {
			d.Body = d.Body[:20]
		}).unseen(),
		changes("a body with more behind it", diagnose.BodyLength, "longer than the request declared", func(_ *Sender, d *Delivery) {
			d.Body = append(d.Body, "{}"...)
		}).unseen(),
	}
}

// utf16Of returns ASCII text in UTF-16, little-endian.
func utf16Of(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteString(text[i:i+1] + "\x00")
	}
	return b.String()
}

// Compress returns body as gzip.
func Compress(body []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// rewritten returns cases in which something parsed the body and serialized it in another style.
func rewritten() []Case {
	const (
		compact  = `{"b":"é/<x> & 😀","a":[1.50,[],{"c":{}}]}`
		python   = `{"b": "\u00e9/<x> & \ud83d\ude00", "a": [1.50, [], {"c": {}}]}`
		unsorted = `{"b":"é/<x>","a":1}`
		odd      = `{"b":"\u00E9","a":[1,{"c":2}]}` // with an escape that no common library writes
	)
	indented := func(text, indent string) string {
		return strings.NewReplacer("TEXT", text, "~", indent).Replace("{\n~\"b\": \"TEXT\",\n~\"a\": [\n~~1.50,\n~~[],\n~~{\n~~~\"c\": {}\n~~}\n~]\n}")
	}
	const raw, ascii, html = "é/<x> & 😀", `\u00e9/<x> & \ud83d\ude00`, `é/\u003cx\u003e \u0026 😀`
	oddly := func(indent string) string {
		return strings.ReplaceAll("{\n~\"b\": \"\\u00E9\",\n~\"a\": [\n~~1,\n~~{\n~~~\"c\": 2\n~~}\n~]\n}", "~", indent)
	}
	oddPython := `{"b": "\u00E9", "a": [1, {"c": 2}]}`
	var all []Case
	for _, c := range []struct{ name, says, sent, arrived string }{
		{"compact, and its escapes kept", "same JSON compact:", odd, oddPython},
		{"compact", "same JSON compact:", compact, python},
		{"compact, with the short escapes", "same JSON compact:", "{\"b\":\"\\b\\f\\n\\r\\t\\u001f\u2028\u2029\"}", `{"b": "\u0008\u000c\u000a\u000d\u0009\u001f\u2028\u2029"}`},
		{"Go, with its separators of lines", "as Go writes it:", `{"b":"é\u2028\u2029"}`, "{\"b\": \"é\u2028\u2029\"}"},
		{"Python", "as Python writes it:", python, compact},
		{"Python, and its escapes kept", "as Python writes it:", oddPython, odd},
		{"Python without escapes", "as Python writes it:", `{"b": "é/<x> & 😀", "a": [1.50, [], {"c": {}}]}`, strings.Replace(compact, raw, ascii, 1)},
		{"compact in ASCII", "compact, in ASCII:", strings.Replace(compact, raw, ascii, 1), compact},
		{"Go", "as Go writes it:", strings.Replace(compact, raw, html, 1), compact},
		{"Go's encoder", "json.Encoder", strings.Replace(compact, raw, html, 1) + "\n", compact},
		{"PHP", "as PHP writes it", strings.Replace(compact, raw, `\u00e9\/<x> & \ud83d\ude00`, 1), compact},
		{"slashes escaped", "escaped slashes", strings.Replace(compact, raw, `é\/<x> & 😀`, 1), compact},
		{"two spaces", "JSON indented:", indented(raw, "  "), python},
		{"two spaces, and its escapes kept", "JSON indented:", oddly("  "), odd},
		{"two spaces and a line break", "JSON indented:", indented(raw, "  ") + "\n", compact},
		{"two spaces in ASCII", "JSON indented:", indented(ascii, "  "), compact},
		{"two spaces by Go", "JSON indented:", indented(html, "  "), compact},
		{"four spaces", "JSON indented:", indented(raw, "    "), python},
		{"four spaces, and its escapes kept", "JSON indented:", oddly("    "), odd},
		{"four spaces in ASCII", "JSON indented:", indented(ascii, "    "), compact},
		{"four spaces by PHP", "JSON indented:", indented(`\u00e9\/<x> & \ud83d\ude00`, "    "), compact},
		{"tabs", "JSON indented:", indented(raw, "\t"), python},
		{"tabs, and its escapes kept", "JSON indented:", oddly("\t"), odd},
		{"sorted", "compact, with sorted members", `{"a":1,"b":"é/<x>"}`, unsorted},
		{"sorted by Go", "as Go writes it, with sorted members", `{"a":1,"b":"é/\u003cx\u003e"}`, unsorted},
		{"sorted by Python", "as Python writes it, with sorted members", `{"a": 1, "b": "\u00e9/<x>"}`, unsorted},
		{"sorted by Python without escapes", "as Python writes it, with sorted members", `{"a": 1, "b": "é/<x>"}`, unsorted},
		{"sorted in ASCII", "in ASCII, with sorted members", `{"a":1,"b":"\u00e9/<x>"}`, unsorted},
	} {
		all = append(all, arrives("serialized again: "+c.name, diagnose.BodyReserialized, c.says, c.sent, c.arrived))
	}
	return all
}
