package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf16"

	"github.com/aihooks/aihooks-go/webhook"
)

// A headerFormat is one format in which users paste the headers of a request.
type headerFormat struct {
	looks *regexp.Regexp // matches the trimmed text
	read  func(r *webhook.Request, text string) error
}

// The first format that matches is used. Errors never quote a line, because it may contain a secret.
var headerFormats = []headerFormat{
	{regexp.MustCompile(`^[{\[]\s*\(?'`), refuse("this is a printed Python value: write it with json.dumps")},
	{regexp.MustCompile(`^[{\[]`), readJSONHeaders},
	{regexp.MustCompile(`(?m)^> `), readCurlTrace},
	{regexp.MustCompile(`^curl(\.exe)?\s`), readCurlCommand},
	{regexp.MustCompile(`(?m)^HTTP_\w+=`), readCGI},
	{regexp.MustCompile(`^(:?[\w-]+:[ \t]*\n([^\n:]|:[^ \n])+(\n|$))+$`), readPairsOfLines},
	{regexp.MustCompile(`^map\[`), refuse("this is a printed Go map: write the headers with Header.Write, or as JSON")},
	{regexp.MustCompile(`^#<|^(\w+\.)?(Headers|Dict|CIMultiDict\w*)\(|^<\w`), refuse("this is a printed object: write the headers as JSON")},
	{regexp.MustCompile(`(?i)^(Invoke-WebRequest|fetch\(|\$session\b)`), refuse("this is a PowerShell or JavaScript command: copy it as cURL for bash, or copy the headers")},
	{regexp.MustCompile(``), readLines},
}

func refuse(why string) func(*webhook.Request, string) error {
	return func(*webhook.Request, string) error { return errors.New(why) }
}

// readHeaders reads the headers of a request in any of headerFormats.
func readHeaders(raw []byte) (*webhook.Request, error) {
	r := &webhook.Request{Method: http.MethodPost, Header: make(http.Header)}
	text := strings.ReplaceAll(decodeText(raw), "\r\n", "\n")
	text = strings.TrimRight(strings.TrimLeft(text, "\n"), " \t\n")
	for _, f := range headerFormats {
		if f.looks.MatchString(strings.TrimSpace(text)) {
			return r, f.read(r, text)
		}
	}
	return r, nil // readLines matches everything
}

// decodeText removes a byte order mark and decodes UTF-16, which Windows PowerShell writes.
func decodeText(raw []byte) string {
	big := bytes.HasPrefix(raw, []byte("\xfe\xff"))
	if !big && !bytes.HasPrefix(raw, []byte("\xff\xfe")) {
		return string(bytes.TrimPrefix(raw, []byte("\ufeff")))
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 2; i+1 < len(raw); i += 2 {
		first, second := uint16(raw[i]), uint16(raw[i+1])
		if big {
			first, second = second, first
		}
		units = append(units, first|second<<8)
	}
	return string(utf16.Decode(units))
}

var (
	requestLine = regexp.MustCompile(`^([A-Z]+) (\S+) HTTP/[\d.]+$`)
	headerLine  = regexp.MustCompile("^([!#$%&'*+.^_`|~\\w-]+)[ \t]*:(.*)$")
)

// readLines reads an HTTP/1 request head: an optional request line, then headers, which may be folded.
func readLines(r *webhook.Request, text string) error {
	var name string // of the previous header
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	ended := false
	for i, line := range strings.Split(text, "\n") {
		bare := strings.TrimSpace(line)
		pseudo, isPseudo := strings.CutPrefix(bare, ":")
		match := headerLine.FindStringSubmatch(bare)
		folded := name != "" && len(line)-len(strings.TrimLeft(line, " \t")) > indent
		switch request := requestLine.FindStringSubmatch(bare); {
		case bare == "":
			ended = name != ""
			continue
		case request != nil && name == "":
			if err := setTarget(r, request[1], request[2]); err != nil {
				return err
			}
		case folded: // RFC 9110, section 5.5: a fold is equivalent to a space
			values := r.Header[http.CanonicalHeaderKey(name)]
			values[len(values)-1] = strings.TrimSpace(values[len(values)-1] + " " + bare)
		case isPseudo:
			if key, value, ok := strings.Cut(pseudo, ":"); ok {
				if err := setPseudo(r, key, strings.TrimSpace(value)); err != nil {
					return err
				}
			}
		case match == nil && ended:
			return fmt.Errorf("line %d is not a header and follows an empty line: pass the body in a separate file, with --body", i+1)
		case match == nil:
			return fmt.Errorf("line %d is not a header: each line must be \"Name: value\"", i+1)
		default:
			name = match[1]
			r.Header.Add(name, strings.TrimSpace(match[2]))
		}
	}
	return nil
}

func setTarget(r *webhook.Request, method, target string) error {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return errors.New("the target of the request line is not a URL")
	}
	r.Method, r.URL = method, u
	return nil
}

// setPseudo reads a pseudo-header, which replaces the request line in HTTP/2 and HTTP/3.
func setPseudo(r *webhook.Request, key, value string) error {
	switch key {
	case "method":
		r.Method = value
	case "path":
		return setTarget(r, r.Method, value)
	}
	return nil
}

// readCurlTrace reads the request in the output of curl -v.
func readCurlTrace(r *webhook.Request, text string) error {
	var sent []string
	for line := range strings.SplitSeq(text, "\n") {
		if request, ok := strings.CutPrefix(strings.TrimSpace(line), "> "); ok {
			if requestLine.MatchString(request) {
				sent = sent[:0] // keep only the last request: the others were redirected
			}
			sent = append(sent, request)
		}
	}
	return readLines(r, strings.Join(sent, "\n"))
}

// readPairsOfLines reads headers as developer tools copy them: names and values on alternate lines.
func readPairsOfLines(r *webhook.Request, text string) error {
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		name, value := strings.TrimSuffix(strings.TrimSpace(lines[i]), ":"), strings.TrimSpace(lines[i+1])
		if key, ok := strings.CutPrefix(name, ":"); ok {
			if err := setPseudo(r, key, value); err != nil {
				return err
			}
			continue
		}
		r.Header.Add(name, value)
	}
	return nil
}

// readCGI reads CGI environment variables, and skips other variables.
func readCGI(r *webhook.Request, text string) error {
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			if err := setCGI(r, name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// setCGI reads one CGI variable (RFC 3875, section 4.1).
func setCGI(r *webhook.Request, name, value string) error {
	switch header, ok := strings.CutPrefix(name, "HTTP_"); {
	case ok || name == "CONTENT_TYPE" || name == "CONTENT_LENGTH":
		r.Header.Add(strings.ReplaceAll(header, "_", "-"), value)
	case name == "REQUEST_METHOD":
		r.Method = value
	case name == "REQUEST_URI":
		return setTarget(r, r.Method, value)
	}
	return nil
}

// readJSONHeaders reads an object, a list, a HAR file or the event of a gateway.
func readJSONHeaders(r *webhook.Request, text string) error {
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		return fmt.Errorf("the text looks like JSON but is not valid JSON: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber() // keep numbers as they are written
	if err := d.Decode(&v); err != nil {
		return err
	}
	return addRequest(r, v)
}

// addRequest finds the headers in a HAR file, the event of a gateway, or a plain object or list.
func addRequest(r *webhook.Request, v any) error {
	object, ok := v.(map[string]any)
	if !ok {
		return addHeaders(r, v)
	}
	if entries, ok := dig(object, "log", "entries").([]any); ok {
		if len(entries) != 1 {
			return fmt.Errorf("the HAR file has %d requests: keep only the one to explain", len(entries))
		}
		return addRequest(r, entries[0])
	}
	if request, ok := object["request"].(map[string]any); ok {
		return addRequest(r, request)
	}
	if _, ok := object["vendor"].(string); ok && object["header"] != nil {
		return errors.New("this is a file that listen saved: pass it with --capture")
	}
	headers := object["multiValueHeaders"]
	if headers == nil {
		headers = object["headers"]
	}
	switch headers.(type) {
	case map[string]any, []any:
	default:
		return addHeaders(r, v)
	}
	if err := addTarget(r, object); err != nil {
		return err
	}
	return addHeaders(r, headers)
}

// addTarget reads the method and the URL of a HAR entry or a gateway's event, if it has them.
func addTarget(r *webhook.Request, object map[string]any) error {
	first := func(values ...any) string {
		for _, v := range values {
			if text, ok := v.(string); ok && text != "" {
				return text
			}
		}
		return ""
	}
	if method := first(object["method"], object["httpMethod"], dig(object, "requestContext", "http", "method")); method != "" {
		r.Method = method
	}
	target := first(object["url"], object["rawPath"], object["path"])
	if target == "" {
		return nil
	}
	if query := first(object["rawQueryString"]); query != "" {
		target += "?" + query
	} else if parameters, ok := object["queryStringParameters"].(map[string]any); ok {
		query := make(url.Values)
		for name, value := range parameters {
			query.Set(name, first(value))
		}
		target += "?" + query.Encode()
	}
	return setTarget(r, r.Method, target)
}

func dig(v any, names ...string) any {
	for _, name := range names {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

var errHeaderValue = errors.New("the value of a header must be a string, a number, or a list of them")

// addHeaders reads an object of names and values, or a list. The list may have objects with a name and a value, pairs, or
// alternating names and values.
func addHeaders(r *webhook.Request, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			if err := addValues(r, name, value); err != nil {
				return err
			}
		}
		return nil
	case []any:
		return addList(r, v)
	default:
		return errHeaderValue
	}
}

func addList(r *webhook.Request, list []any) error {
	for i := 0; i < len(list); i++ {
		switch item := list[i].(type) {
		case map[string]any:
			name, ok := item["name"].(string)
			value := item["value"]
			if !ok {
				name, ok = item["key"].(string)
			}
			if !ok || value == nil {
				return errors.New("each object in the list must have a name and a value")
			}
			if err := addValues(r, name, value); err != nil {
				return err
			}
		case []any:
			if len(item) != 2 {
				return errors.New("each list in the list must have a name and a value")
			}
			if err := addValues(r, fmt.Sprint(item[0]), item[1]); err != nil {
				return err
			}
		case string:
			if i++; i == len(list) {
				return errors.New("the list of names and values ends with a name: its value is missing")
			}
			if err := addValues(r, item, list[i]); err != nil {
				return err
			}
		default:
			return errHeaderValue
		}
	}
	return nil
}

// addValues adds a header, a pseudo-header or a CGI variable.
func addValues(r *webhook.Request, name string, v any) error {
	values, ok := v.([]any)
	if !ok {
		values = []any{v}
	}
	for _, v := range values {
		var text string
		switch v := v.(type) {
		case string:
			text = v
		case json.Number, bool:
			text = fmt.Sprint(v)
		default:
			return errHeaderValue
		}
		key, isPseudo := strings.CutPrefix(name, ":")
		switch {
		case isPseudo:
			if err := setPseudo(r, key, text); err != nil {
				return err
			}
		case strings.HasPrefix(name, "HTTP_"), strings.HasPrefix(name, "CONTENT_"), strings.HasPrefix(name, "REQUEST_"):
			if err := setCGI(r, name, text); err != nil {
				return err
			}
		default:
			r.Header.Add(name, text)
		}
	}
	return nil
}
