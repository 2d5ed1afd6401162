package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/visible"
)

// The colours, as parameters of ANSI escape sequences.
const (
	red    = "31"
	green  = "32"
	yellow = "33"
	faint  = "2"
	bold   = "1"
)

// isTerminal reports whether w is, or writes to, a terminal.
func isTerminal(w any) bool {
	f := fileOf(w)
	return f != nil && term.IsTerminal(int(f.Fd()))
}

// fileOf returns the file that w writes to, or nil.
func fileOf(w any) *os.File {
	if q, ok := w.(queued); ok {
		w = q.to
	}
	f, _ := w.(*os.File)
	return f
}

// paint colours a text on a terminal, unless NO_COLOR is set (https://no-color.org).
func (a *app) paint(colour, text string) string {
	if no, _ := a.Env("NO_COLOR"); no != "" || !isTerminal(a.Out) {
		return text
	}
	if kind, _ := a.Env("TERM"); kind == "dumb" {
		return text
	}
	if !hasColours(fileOf(a.Out)) {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// linef writes one line of output.
func (a *app) linef(format string, args ...any) {
	_, err := fmt.Fprintf(a.Out, format+"\n", args...)
	a.wrote(err)
}

// wrote records that output was lost. The exit code then tells a script that the output is incomplete.
func (a *app) wrote(err error) {
	if err != nil {
		a.lost.CompareAndSwap(nil, &err)
	}
}

// notef writes one line to standard error.
func (a *app) notef(format string, args ...any) { _, _ = fmt.Fprintf(a.Err, format+"\n", args...) }

// writeJSON writes one value as a line of JSON.
func (a *app) writeJSON(v any) error {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := a.Out.Write(visible.JSON(text.Bytes()))
	a.wrote(err)
	return err
}

// table writes rows in columns.
func (a *app) table(header []string, rows [][]string) {
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	write := func(cells []string) {
		for i, cell := range cells {
			if i > 0 {
				_, _ = io.WriteString(w, "\t")
			}
			_, _ = io.WriteString(w, printable(cell))
		}
		_, _ = io.WriteString(w, "\n")
	}
	write(header)
	for _, row := range rows {
		write(row)
	}
	a.wrote(w.Flush())
}

// printable returns s with escapes for everything that a terminal would interpret, because unauthenticated senders wrote it.
func printable(s string) string {
	clean := func(c rune) bool { return c == utf8.RuneError || !unicode.IsPrint(c) }
	if strings.IndexFunc(s, clean) < 0 {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if clean(c) {
			quoted := strconv.QuoteRuneToASCII(c)
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// pretty returns a body for display. It indents JSON, and makes each line printable.
func pretty(body []byte) string {
	var out bytes.Buffer
	body = bytes.TrimSpace(body)
	if !canIndent(body) || json.Indent(&out, body, "", "  ") != nil {
		out.Reset()
		out.Write(body)
	}
	return strings.Join(printableLines(out.String()), "\n")
}

func printableLines(text string) []string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = printable(line)
	}
	return lines
}

// canIndent reports whether JSON stays small when indented. A deeply nested megabyte would become terabytes.
func canIndent(body []byte) bool {
	size, depth, quoted := len(body), 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			size += 2 * depth
		case c == '}' || c == ']':
			depth--
			size += 2 * depth
		case c == ',':
			size += 2 * depth
		}
	}
	return size <= 16*len(body)+(64<<10)
}

// shownIDs is how many characters of an id are shown.
const shownIDs = 32

// clip truncates a text to a number of characters.
func clip(s string, longest int) string {
	if r := []rune(s); len(r) > longest {
		return string(r[:longest]) + "…"
	}
	return s
}

// width returns the number of columns of the terminal. Other outputs have no limit.
func (a *app) width() int {
	if isTerminal(a.Out) {
		if columns, _, err := term.GetSize(int(fileOf(a.Out).Fd())); err == nil && columns > 40 {
			return columns
		}
	}
	return math.MaxInt
}

// wrap breaks a text between words into lines of at most width characters. A longer word gets its own line.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// indent indents every line by two spaces.
func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }

// took formats a duration with few digits.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	default:
		return d.Round(10 * time.Millisecond).String()
	}
}

// when formats a time of day, with the date if it is not today.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	t = t.Local()
	if now := time.Now(); t.YearDay() == now.YearDay() && t.Year() == now.Year() {
		return t.Format("15:04:05")
	}
	return t.Format("2006-01-02 15:04:05")
}
