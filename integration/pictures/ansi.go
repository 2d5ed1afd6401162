package main

import (
	"html"
	"regexp"
	"strings"
)

// columns is the width of the terminals.
const columns = 132

var sgr = regexp.MustCompile(`\x1b\[(\d*)m`)

// spans converts a recording to HTML. The colours of aihooks become classes, and other sequences are removed.
func spans(text string) string {
	text = html.EscapeString(strings.ReplaceAll(text, "\r\n", "\n"))
	open := 0
	text = sgr.ReplaceAllStringFunc(text, func(s string) string {
		code := sgr.FindStringSubmatch(s)[1]
		if code == "" || code == "0" {
			closing := strings.Repeat("</span>", open)
			open = 0
			return closing
		}
		open++
		return `<span class="c` + code + `">`
	})
	return strings.ReplaceAll(text, "\x1b", "") + strings.Repeat("</span>", open)
}

const windows = `<!doctype html><meta charset="utf-8"><style>
body { margin: 0; padding: 28px; background: #dfe4ee; width: max-content; }
section { background: #15171c; color: #d7dae0; border-radius: 10px; margin-bottom: 22px; overflow: hidden; }
section:last-child { margin-bottom: 0; }
header { background: #23262e; padding: 9px 14px; font: 12px "DejaVu Sans", system-ui, sans-serif; color: #9aa1ad; display: flex; gap: 7px; align-items: center; }
header i { width: 11px; height: 11px; border-radius: 50%; background: #4a4f5a; }
header span { margin-left: 8px; }
pre { margin: 0; padding: 14px 18px 18px; font: 13px/1.5 "DejaVu Sans Mono", ui-monospace, monospace; width: 132ch; white-space: pre-wrap; overflow-wrap: anywhere; }
.c1 { font-weight: bold; color: #fff; } .c2 { color: #858c99; } .c31 { color: #ff7b72; } .c32 { color: #56d364; } .c33 { color: #e3b341; }
</style>`

// page returns HTML with the terminals one above the other.
func page(titles []string, terminals []*terminal) string {
	var b strings.Builder
	b.WriteString(windows)
	for i, t := range terminals {
		b.WriteString("<section><header><i></i><i></i><i></i><span>" + html.EscapeString(titles[i]) + "</span></header><pre>" +
			spans(strings.TrimRight(t.text(), "\r\n")) + "</pre></section>")
	}
	return b.String()
}
