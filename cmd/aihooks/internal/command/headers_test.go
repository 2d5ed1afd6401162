package command

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
)

func utf16Of(text string, big bool) string {
	var b strings.Builder
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		if big {
			b.Write([]byte{byte(unit >> 8), byte(unit)})
		} else {
			b.Write([]byte{byte(unit), byte(unit >> 8)})
		}
	}
	return b.String()
}

const plainHeaders = "X-Workflux-Signature: abc=\nContent-Type: application/json\n"

func TestReadHeaders_TakesEveryFormat(t *testing.T) {
	const path = "/webhooks/x?a=1"
	const noPath = ""
	for name, c := range map[string]struct{ text, path string }{
		"lines":                    {plainHeaders, noPath},
		"a request":                {"POST " + path + " HTTP/1.1\r\nHost: h\r\nX-Workflux-Signature: abc=\r\nContent-Type: application/json\r\n\r\n", path},
		"a request of HTTP/2":      {"POST " + path + " HTTP/2\n" + plainHeaders, path},
		"a byte order mark":        {"\ufeff" + plainHeaders, noPath},
		"UTF-16":                   {utf16Of(plainHeaders, false), noPath},
		"UTF-16, big endian":       {utf16Of(plainHeaders, true), noPath},
		"indented":                 {"    x-workflux-signature: abc=\n    content-type: application/json\n", noPath},
		"folded":                   {"Content-Type:\n application/json\nX-Workflux-Signature:\n\tabc=", noPath},
		"an empty header before":   {"X-Empty:\nX-Workflux-Signature: abc=\nX-Blank: \nContent-Type: application/json", noPath},
		"pseudo-headers":           {":method: POST\n:authority: h\n:path: " + path + "\n:scheme: https\n" + plainHeaders, path},
		"curl -v":                  {"*   Trying 127.0.0.1:8080...\n* Connected\n> POST " + path + " HTTP/1.1\n> Host: h\n> X-Workflux-Signature: abc=\n> Content-Type: application/json\n> \n} [12 bytes data]\n< HTTP/1.1 401 Unauthorized\n< Content-Type: text/plain\n< \n{\"received\":false}", path},
		"curl -v after a redirect": {"> POST /old HTTP/2\n> X-Old: 1\n>\n< HTTP/2 307\n> POST " + path + " HTTP/2\n> x-workflux-signature: abc=\n> content-type: application/json\n>\n", path},
		"a curl command":           {"curl 'https://h" + path + "' \\\n  -X 'POST' \\\n  -H 'X-Workflux-Signature: abc=' \\\n  -H \"Content-Type: application/json\" \\\n  --data-raw $'{\"a\":\\'b\\'}' --compressed", path},
		"the page's curl command":  {"curl -i -g -X 'POST' --url 'http://h" + path + "' \\\n  -H 'Content-Type: application/json' \\\n  -H 'X-Workflux-Signature: abc=' \\\n  --data-raw '{}'", path},
		"developer tools":          {":authority:\nh\n:method:\nPOST\n:path:\n" + path + "\norigin:\nhttps://h\nx-workflux-signature:\nabc=\ncontent-type:\napplication/json", path},
		"CGI":                      {"PATH=/bin\nREQUEST_METHOD=POST\nREQUEST_URI=" + path + "\nHTTP_X_WORKFLUX_SIGNATURE=abc=\nCONTENT_TYPE=application/json", path},
		"CGI as JSON":              {`{"HTTP_X_WORKFLUX_SIGNATURE":"abc=","CONTENT_TYPE":"application/json","REQUEST_URI":"` + path + `"}`, path},
		"an object":                {` {"x-workflux-signature":"abc=","Content-Type":["application/json"]}`, noPath},
		"an object, marked":        {"\ufeff" + `{"x-workflux-signature":"abc=","Content-Type":"application/json"}`, noPath},
		"a list of HAR":            {`[{"name":"X-Workflux-Signature","value":"abc="},{"name":"content-type","value":"application/json"},{"name":":path","value":"` + path + `"}]`, path},
		"a list of pairs":          {`[["X-Workflux-Signature","abc="],["content-type","application/json"]]`, noPath},
		"a list, alternating":      {`["X-Workflux-Signature","abc=","content-type","application/json"]`, noPath},
		"a list of keys":           {`[{"key":"X-Workflux-Signature","value":"abc="},{"key":"content-type","value":"application/json"}]`, noPath},
		"a HAR file":               {`{"log":{"entries":[{"request":{"method":"POST","url":"https://h` + path + `","headers":[{"name":"X-Workflux-Signature","value":"abc="},{"name":"Content-Type","value":"application/json"}]},"response":{"headers":[]}}]}}`, path},
		"a function URL":           {`{"version":"2.0","rawPath":"/webhooks/x","rawQueryString":"a=1","headers":{"x-workflux-signature":"abc=","content-type":"application/json"},"requestContext":{"http":{"method":"POST"}},"body":"{}"}`, path},
		"a REST API":               {`{"httpMethod":"POST","path":"/webhooks/x","queryStringParameters":{"a":"1"},"headers":{"X-Workflux-Signature":"abc="},"multiValueHeaders":{"X-Workflux-Signature":["abc="],"Content-Type":["application/json"]}}`, path},
		"a load balancer":          {`{"requestContext":{"elb":{}},"httpMethod":"POST","path":"/webhooks/x","queryStringParameters":{"a":"1"},"headers":{"x-workflux-signature":"abc=","content-type":"application/json"},"multiValueHeaders":null}`, path},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := readHeaders([]byte(c.text))
			require.NoError(t, err)
			require.Equal(t, []string{"abc="}, r.Header["X-Workflux-Signature"])
			require.Equal(t, []string{"application/json"}, r.Header["Content-Type"])
			require.Equal(t, "POST", r.Method)
			for key := range r.Header {
				require.NotContains(t, key, ":")
			}
			got := noPath
			if r.URL != nil {
				got = r.URL.RequestURI()
			}
			require.Equal(t, c.path, got)
		})
	}
	r, err := readHeaders([]byte("A: 1\nA: 2\nB: x\n y\n  z"))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, r.Header["A"])
	require.Equal(t, []string{"x y z"}, r.Header["B"])
}

func TestReadHeaders_RefusesByName(t *testing.T) {
	const hidden = "s3cr3t-value"
	for text, says := range map[string]string{
		"map[X-Workflux-Signature:[" + hidden + "]]":                "a printed Go map",
		"{'X-Workflux-Signature': '" + hidden + "'}":                "a printed Python value",
		"[('X-Workflux-Signature', '" + hidden + "')]":              "a printed Python value",
		"Headers({'x': '" + hidden + "'})":                          "a printed object",
		"#<ActionDispatch::Http::Headers:0x1 @x=" + hidden + ">":    "a printed object",
		`fetch("https://h/", {"headers": {"x": "` + hidden + `"}})`: "PowerShell or JavaScript",
		"Invoke-WebRequest -Uri \"https://h/" + hidden + "\"":       "PowerShell or JavaScript",
		"curl ^\"https://h/" + hidden + "^\" ^\n -H ^\"a: b^\"":     "cmd.exe",
		"curl 'https://h/" + hidden:                                 "is not closed",
		"A: b\n\n" + hidden:                                         "line 3 is not a header and follows an empty line",
		"A: b\n" + hidden:                                           "line 2 is not a header",
		`{"A":"` + hidden:                                           "is not valid JSON",
		`{"A":{"b":"` + hidden + `"}}`:                              "must be a string",
		`[{"header":"A","content":"` + hidden + `"}]`:               "a name and a value",
		`["A","b","` + hidden + `"]`:                                "ends with a name",
		`{"log":{"entries":[{},{}]}}`:                               "has 2 requests",
		`{"vendor":"workflux","header":{}}`:                         "--capture",
	} {
		_, err := readHeaders([]byte(text))
		require.ErrorContains(t, err, says, text)
		require.NotContains(t, fmt.Sprint(err), hidden)
	}
}

func FuzzReadHeaders(f *testing.F) {
	for _, text := range []string{plainHeaders, "curl 'a' -H $'a\\n", `[{"name":"a","value":["b"]}]`, "> POST / HTTP/1.1\n> a: b", ":path:\n/", "A:\n b\n  c"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := readHeaders(text)
		if err == nil {
			require.NotNil(t, r.Header)
		}
	})
}
