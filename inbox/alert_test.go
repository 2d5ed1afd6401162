package inbox_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
)

func TestAlert_TextDescribesLargestGroups(t *testing.T) {
	refused := inbox.AlertGroup{Count: 16, Vendor: "workflux", Endpoint: "default", Type: "integration.error", Error: "dial tcp 10.0.0.1:5432: connect: connection refused"}
	lost := inbox.AlertGroup{Count: 1, Vendor: "greenflash", Endpoint: "eu", Type: "conversation.rating"}
	for want, a := range map[string]inbox.Alert{
		"17 dead letters in 5 min, 16 of workflux integration.error: dial tcp 10.0.0.1:5432: connect: connection refused\n" +
			"1 of greenflash/eu conversation.rating": {Count: 17, Period: 5 * time.Minute, Groups: []inbox.AlertGroup{refused, lost}},
		"1 dead letter in 1 s, 1 of greenflash/eu conversation.rating": {Count: 1, Groups: []inbox.AlertGroup{lost}},
		"4 dead letters in 89 s, 1 of greenflash/eu conversation.rating\nand 3 more": {
			Count: 4, Period: 89 * time.Second, Groups: []inbox.AlertGroup{lost}, Others: 3,
		},
		"0 dead letters in 2 h": {Period: 110 * time.Minute},
	} {
		require.Equal(t, want, a.String())
	}
	many := inbox.Alert{Count: 13, Period: 2 * time.Minute}
	for range 12 {
		many.Groups = append(many.Groups, lost)
	}
	lines := strings.Split(many.String(), "\n")
	require.Len(t, lines, 11, "ten groups have a line, and the rest share one")
	require.Equal(t, "and 3 more", lines[10], "two groups without a line, and one in no group")
}

// Errors are text from anywhere. They must not add lines, hide text or make the alert too long for the service.
func TestAlert_TextIsBoundedLines(t *testing.T) {
	hostile := "a\nb\r\nc\x00\x1b[31m\u2028d\u202egpj.exe\u200b \xff " + strings.Repeat("é", 4000) + " the end"
	synctest.Test(t, func(t *testing.T) {
		r := record(t, 0)
		for i := range 20 {
			e := entry(strings.Repeat(string(rune('a'+i)), 500), hostile)
			e.Delivery.Vendor, e.Delivery.Endpoint, e.ID = hostile, hostile, hostile
			r.digest.Add(t.Context(), e)
		}
		r.close(t)
		alerts, _ := r.sent()
		alert := alerts[0]
		text := alert.String()
		require.LessOrEqual(t, len(text), 12<<10, "the documented length")
		require.Greater(t, len(text), 10<<10, "all texts are at their limits")
		require.True(t, utf8.ValidString(text), "JSON and Slack need UTF-8")
		require.Equal(t, 10, strings.Count(text, "\n"), "each of ten groups has one line, and the rest share one")
		for _, c := range strings.ReplaceAll(text, "\n", "") {
			require.True(t, unicode.IsPrint(c), "%q can hide or reorder text", c)
		}
		require.LessOrEqual(t, len(alert.Groups[0].Error), 300, "the documented length")
		require.True(t, strings.HasPrefix(alert.Groups[0].Error, "a b c [31m d gpj.exe \ufffd é"), "the start is kept: %s", alert.Groups[0].Error)
		require.True(t, strings.HasSuffix(alert.Groups[0].Error, "é the end"), "the end has the cause")
		require.LessOrEqual(t, len(alert.Groups[0].EntryID), 256, "memory is bounded whatever the engine's IDs are")
	})
}

func TestCause_IgnoresWhatDiffersByDelivery(t *testing.T) {
	for name, same := range map[string][]string{
		"addresses":     {"dial tcp 10.0.0.1:5432: connect: connection refused", "dial tcp 10.0.0.27:39112: connect: connection refused"},
		"IPv6":          {"dial tcp [2001:db8::1]:443: i/o timeout", "dial tcp [fe80::12]:8443: i/o timeout"},
		"host numbers":  {"lookup db-1.internal: no such host", "lookup db-22.internal: no such host"},
		"UUIDs":         {"no user 6f9619ff-8b86-d011-b42d-00c04fc964ff", "no user 00000000-0000-4000-8000-000000000000"},
		"hex":           {"nil pointer at 0xc000012345", "nil pointer at 0xdeadbee7"},
		"ids":           {"conversation conv_8aZk1 is closed", "conversation conv_Q9 is closed"},
		"ULIDs":         {"no row 01ARZ3NDEKTSV4RRFFQ69G5FAV", "no row 01BX5ZZKBKACTAV9WEVGEMMVRZ"},
		"durations":     {"no response after 1m2.5s", "no response after 900ms"},
		"times":         {"due 2026-11-27T06:37:03.123Z", "due 2025-01-01T00:00:00Z"},
		"decimals":      {"limit 1,000.5 exceeded", "limit -7 exceeded"},
		"Go quotes":     {`unknown label "a \"b\" c"`, `unknown label ""`},
		"single quotes": {"column 'total' doesn't exist", "column 'a b' doesn't exist"},
		"backticks":     {"unknown column `total`", "unknown column `net`"},
		"whitespace":    {"first\n\tsecond", "first second"},
		"other digits":  {"رقم ٤٢", "رقم ٧"},
	} {
		require.Equal(t, inbox.CauseOf(same[0]), inbox.CauseOf(same[1]), name)
	}
}

func TestCause_KeepsWhatDiffersByCause(t *testing.T) {
	seen := make(map[string]string)
	for _, text := range []string{
		"", "connection refused", "connection reset by peer", "Connection refused", "context deadline exceeded",
		"can't open file", "can't read file", "the user's card isn't valid", "the user's plan isn't valid",
		"dial tcp 10.0.0.1:5432: connect: connection refused", "dial tcp 10.0.0.1:5432: i/o timeout", "dial udp 10.0.0.1:53: i/o timeout",
		"deadbeef cafe", "facade",
	} {
		cause := inbox.CauseOf(text)
		require.NotContains(t, seen, cause, "%q is another cause", text)
		seen[cause] = text
	}
}

func FuzzCause(f *testing.F) {
	for _, seed := range []string{"dial tcp 10.0.0.1:5432: refused", `a "b\"1" 'c' it's`, "\x00\xff\u202e٤", "x1.2-z:3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cause := inbox.CauseOf(text)
		require.True(t, utf8.ValidString(cause))
		for _, r := range cause {
			require.True(t, unicode.IsPrint(r) && !unicode.IsDigit(r), "%q in the cause of %q", r, text)
		}
		other := strings.Map(func(r rune) rune {
			if '0' <= r && r <= '9' {
				return '0' + (r-'0'+1)%10
			}
			return r
		}, text)
		require.Equal(t, cause, inbox.CauseOf(other), "%q and %q differ only in digits", text, other)
	})
}
