package inbox

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
)

const (
	maxGroups    = 100 // groups in memory, and in an Alert
	maxLines     = 10  // groups in the text of an Alert
	maxErrorText = 300 // bytes of an error in an alert
	maxName      = 256 // bytes of any other text in an alert
)

// An Alert describes the dead letters that a [Digest] combined.
type Alert struct {
	// Count is the number of dead letters.
	Count int

	// Period is the time from the first of them to the alert.
	Period time.Duration

	// Groups are up to 100 groups of dead letters with the same cause, the largest first. Two dead letters have the same
	// cause if their vendors, endpoints and types are equal, and their errors are equal except for numbers, words with
	// digits such as ids, and texts in quotes.
	Groups []AlertGroup

	// Others is the number of dead letters that are in no group, because there were more than 100. The small groups are
	// left out.
	Others int
}

// An AlertGroup describes dead letters with the same cause.
type AlertGroup struct {
	Count                  int
	Vendor, Endpoint, Type string

	// Error is the [Entry.LastError] of the first of the dead letters. It is one line without control characters. If it is
	// longer than 300 bytes, it loses its middle.
	Error string

	// EntryID is the ID of the first of them, for a [Filter].
	EntryID string
}

// String returns the alert as text, with a line for each of the 10 largest groups, for example:
//
//	17 dead letters in 5 min, 16 of workflux integration.error: dial tcp 10.0.0.1:5432: connect: connection refused
//	1 of greenflash/eu conversation.rating: no such customer
//
// An alert of a [Digest] has at most 12 KiB of text, in UTF-8 and without control characters except the line breaks. Errors
// may contain anything else, also the markup of the service that shows the text. So escape the text as that service asks:
// &, < and > for Slack, where <!channel> would notify everyone, and for HTML. For Discord, set allowed_mentions.
func (a Alert) String() string {
	var b strings.Builder
	letters := "dead letters"
	if a.Count == 1 {
		letters = "dead letter"
	}
	fmt.Fprintf(&b, "%d %s in %s", a.Count, letters, roughly(a.Period))
	rest, separator := a.Count, ", "
	for _, g := range a.Groups[:min(len(a.Groups), maxLines)] {
		fmt.Fprintf(&b, "%s%d of %s", separator, g.Count, g.Vendor)
		if g.Endpoint != "default" {
			b.WriteString("/" + g.Endpoint)
		}
		b.WriteString(" " + g.Type)
		if g.Error != "" {
			b.WriteString(": " + g.Error)
		}
		rest, separator = rest-g.Count, "\n"
	}
	if rest > 0 {
		fmt.Fprintf(&b, "\nand %d more", rest)
	}
	return b.String()
}

// roughly returns a duration in one unit, and at least a second.
func roughly(d time.Duration) string {
	switch {
	case d < 90*time.Second:
		return fmt.Sprintf("%.0f s", max(d.Seconds(), 1))
	case d < 90*time.Minute:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// A group is an AlertGroup with the key that its dead letters have in common.
type group struct {
	AlertGroup
	key string
}

// groupOf returns a group with one dead letter.
func groupOf(e Entry) group {
	text := oneLine(e.LastError())
	g := AlertGroup{
		Count: 1, Vendor: clip(oneLine(e.Delivery.Vendor), maxName), Endpoint: clip(oneLine(e.Delivery.Endpoint), maxName),
		Type: clip(oneLine(e.Delivery.Type), maxName), Error: clip(text, maxErrorText), EntryID: clip(e.ID, maxName),
	}
	return group{g, strings.Join([]string{g.Vendor, g.Endpoint, g.Type, clip(causeOf(text), maxErrorText)}, "\n")}
}

// A batch has the dead letters of the next alert.
type batch struct {
	since  time.Time // when the first one arrived
	groups []group   // the oldest first
	others int       // dead letters of groups that were left out
}

// add adds the dead letters of a group. If there are too many groups, it leaves out the smallest, and the oldest of these. So
// a frequent cause stays, even among thousands of rare ones.
func (b *batch) add(g group) {
	if len(b.groups) == 0 {
		b.since = time.Now()
	}
	smallest := 0
	for i := range b.groups {
		if b.groups[i].key == g.key {
			b.groups[i].Count += g.Count
			return
		}
		if b.groups[i].Count < b.groups[smallest].Count {
			smallest = i
		}
	}
	if len(b.groups) == maxGroups {
		if b.groups[smallest].Count > g.Count {
			b.others += g.Count
			return
		}
		b.others += b.groups[smallest].Count
		b.groups = slices.Delete(b.groups, smallest, smallest+1)
	}
	b.groups = append(b.groups, g)
}

// merge adds the dead letters of a later batch.
func (b *batch) merge(later batch) {
	for _, g := range later.groups {
		b.add(g)
	}
	b.others += later.others
}

func (b *batch) alert() Alert {
	a := Alert{Count: b.others, Others: b.others, Period: time.Since(b.since)}
	for _, g := range b.groups {
		a.Count += g.Count
		a.Groups = append(a.Groups, g.AlertGroup)
	}
	slices.SortStableFunc(a.Groups, func(x, y AlertGroup) int { return cmp.Compare(y.Count, x.Count) })
	return a
}

// oneLine returns a text in valid UTF-8 and without line breaks, control characters and characters that cannot be seen, such
// as those that change the direction of writing.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// clip cuts the middle out of a long text. It keeps the end, because an error has its cause there.
func clip(s string, longest int) string {
	const gap = " … "
	if len(s) <= longest {
		return s
	}
	half := (longest - len(gap)) / 2
	return strings.ToValidUTF8(s[:half], "") + gap + strings.ToValidUTF8(s[len(s)-half:], "")
}

var (
	// quoted matches a text in quotes. An apostrophe within a word is not a quote.
	quoted = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|`[^`]*`|\\B'[^']*'\\B")

	// numbered matches words with digits: numbers, ids, hex, UUIDs, addresses, times.
	numbered = regexp.MustCompile(strings.ReplaceAll(`WORD(?:[.:,]+WORD)*`, "WORD", `[\p{L}\p{N}_-]*\p{N}[\p{L}\p{N}_-]*`))
)

// causeOf returns an error's text without what differs from one delivery to the next.
func causeOf(text string) string {
	return numbered.ReplaceAllString(quoted.ReplaceAllString(text, `"…"`), "#")
}
