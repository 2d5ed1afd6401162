package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
)

// delivered returns the headers and the body of a vendor's delivery that is signed with a secret.
func delivered(t *testing.T, vendor, by string) (headers, body string) {
	t.Helper()
	v, err := allvendors.Find(vendor)
	require.NoError(t, err)
	s := v.Signer("http://receiver.test/webhooks/"+vendor, signature.NewKey("k", by))
	text := s.Stamp(v.Samples[0].Body, time.Now())
	r, err := s.Request(text, time.Now(), "d1")
	require.NoError(t, err)
	var b strings.Builder
	fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: receiver.test\r\n", r.URL.RequestURI())
	require.NoError(t, r.Header.Write(&b))
	return b.String(), string(text)
}

func TestExplain_AcceptsGenuineDeliveries(t *testing.T) {
	for _, vendor := range allvendors.Names() {
		headers, body := delivered(t, vendor, secret)
		r := run(t, "explain", vendor, "--headers", writeFile(t, headers), "--body", writeFile(t, body)).is(t, 0)
		require.Contains(t, r.out, "Nothing is wrong with it")
	}
}

func TestExplain_NamesCauseInOneSentence(t *testing.T) {
	for _, test := range []struct {
		vendor, by, says string
		change           func(headers, body string) (string, string)
	}{
		{vendor: "workflux", by: secret + "\n", says: "secret"},
		{vendor: "workflux", by: secret, says: "without the line break at its end", change: func(h, b string) (string, string) { return h, b + "\n" }},
		{vendor: "convosphere", by: secret, says: "X-Convosphere-Signature", change: func(h, b string) (string, string) {
			return strings.ReplaceAll(h, "X-Convosphere-Signature", "X-Other"), b
		}},
		{vendor: "greenflash", by: "another", says: "None of the known mistakes explains it"},
		{vendor: "emberqa", by: "another", says: "none"},
	} {
		headers, body := delivered(t, test.vendor, test.by)
		if test.change != nil {
			headers, body = test.change(headers, body)
		}
		r := run(t, "explain", test.vendor, "--headers", writeFile(t, headers), "--body", writeFile(t, body)).is(t, 1)
		require.Contains(t, strings.ToLower(r.out), strings.ToLower(test.says), test.vendor)
		require.Equal(t, 1, strings.Count(r.out, "\n"))
		require.Contains(t, r.err, "the delivery is refused")
	}
}

func TestExplain_ReadsJSONHeadersFromStdin(t *testing.T) {
	headers, body := delivered(t, "workflux", secret)
	_, value, ok := strings.Cut(headers, "X-Workflux-Signature: ")
	require.True(t, ok)
	value, _, _ = strings.Cut(value, "\r\n")
	for _, v := range []any{value, []string{value}} {
		text, err := json.Marshal(map[string]any{"x-workflux-signature": v})
		require.NoError(t, err)
		c := aihooks(t, secrets(), "explain", "workflux", "--headers", "-", "--body", writeFile(t, body), "--json")
		c.Stdin = strings.NewReader(string(text))
		e := decode[map[string]string](t, finish(t, c).is(t, 0).out)
		require.NotEmpty(t, e["explanation"])
	}
}

func TestExplain_ChecksAgeAtGivenTime(t *testing.T) {
	headers, body := delivered(t, "greenflash", secret)
	args := []string{"explain", "greenflash", "--headers", writeFile(t, headers), "--body", writeFile(t, body), "--at"}
	late := time.Now().Add(time.Hour)
	require.Contains(t, run(t, append(args, late.Format(time.RFC3339))...).is(t, 1).out, "old")
	require.Contains(t, run(t, append(args, fmt.Sprint(late.Unix()))...).is(t, 1).out, "old")
	run(t, append(args, time.Now().Format(time.RFC3339))...).is(t, 0)
}

func TestExplain_ReportsUnreadableInput(t *testing.T) {
	file := writeFile(t, "{}")
	for says, args := range map[string][]string{
		"open /does/not/exist":    {"--headers", "/does/not/exist", "--body", file},
		"open /does/not/exist: ":  {"--headers", file, "--body", "/does/not/exist"},
		"each line must be":       {"--headers", writeFile(t, "no header"), "--body", file},
		"unexpected end":          {"--headers", writeFile(t, `{"a":`), "--body", file},
		"is not a capture":        {"--capture", writeFile(t, "[]")},
		"it has no vendor":        {"--capture", file},
		"target of the request l": {"--headers", writeFile(t, "POST :// HTTP/1.1"), "--body", file},
	} {
		r := run(t, append([]string{"explain", "workflux"}, args...)...).is(t, 1)
		require.Contains(t, r.err, says)
		require.Empty(t, r.out)
	}
}

func TestExplain_TakesHeadersAsPeopleHaveThem(t *testing.T) {
	for _, vendor := range allvendors.Names() {
		headers, body := delivered(t, vendor, secret)
		request, rest, _ := strings.Cut(headers, "\r\n")
		target := strings.Fields(request)[1]
		har := []map[string]string{}
		for line := range strings.SplitSeq(strings.TrimSpace(rest), "\r\n") {
			name, value, _ := strings.Cut(line, ": ")
			har = append(har, map[string]string{"name": strings.ToLower(name), "value": value})
		}
		entry, err := json.Marshal(map[string]any{"request": map[string]any{"method": "POST", "url": "https://h" + target, "headers": har}})
		require.NoError(t, err)
		for _, text := range []string{
			"\ufeff" + headers,
			"* Connected\n> " + strings.ReplaceAll(strings.TrimSpace(headers), "\r\n", "\n> ") + "\n> \n< HTTP/1.1 401 Unauthorized\n",
			":method: POST\n:path: " + target + "\n" + rest,
			string(entry),
		} {
			r := run(t, "explain", vendor, "--headers", writeFile(t, text), "--body", writeFile(t, body))
			require.Contains(t, r.is(t, 0).out, "Nothing is wrong with it", text)
		}
	}
}
