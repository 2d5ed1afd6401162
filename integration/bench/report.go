package main

import (
	"bytes"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// folder is where the report is, from the root of a checkout.
const folder = "integration/bench"

// The table in README.md is between these lines.
const (
	tableBegin = "<!-- The command writes the table from here -->\n"
	tableEnd   = "<!-- to here -->\n"
)

// writeReport writes the table into README.md, and the plot.
func writeReport(table []byte, plotted *comparison) error {
	name := filepath.Join(folder, "README.md")
	readme, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := bytes.Cut(readme, []byte(tableBegin))
	_, after, closed := bytes.Cut(rest, []byte(tableEnd))
	if !ok || !closed {
		return fmt.Errorf("%s must have the lines %q and %q", name, tableBegin, tableEnd)
	}
	readme = bytes.Join([][]byte{before, []byte(tableBegin), table, []byte(tableEnd), after}, nil)
	if err := os.WriteFile(name, readme, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "plot.svg"), plot(plotted), 0o600)
}

// machine describes where and when the figures were measured.
func machine() string {
	cpu := "unknown processor"
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%s, %d cores, %s, %s", cpu, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
}

// The geometry of the plot, in pixels.
const (
	plotWidth = 720
	barLeft   = 250
	barWidth  = 380
	rowHeight = 30
)

// plot draws a bar for each contender, with the figures of the first unit.
func plot(c *comparison) []byte {
	var b bytes.Buffer
	most := 0.0
	for _, x := range c.contenders {
		most = max(most, c.median(x, 0))
	}
	height := rowHeight * (len(c.contenders) + 2)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="14">`, plotWidth, height)
	fmt.Fprintf(&b, "\n<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"16\" y=\"26\" font-weight=\"bold\">%s: %s</text>\n", html.EscapeString(c.name), c.units[0])
	for i, x := range c.contenders {
		top, v, fill := rowHeight*(i+1)+12, c.median(x, 0), "#9aa5b1"
		if strings.HasPrefix(x.name, ours) {
			fill = "#2f6fde"
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", barLeft-10, top+15, html.EscapeString(x.name))
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"20\" fill=\"%s\"/>\n", barLeft, top, barWidth*v/most, fill)
		fmt.Fprintf(&b, "<text x=\"%.0f\" y=\"%d\">%s</text>\n", barLeft+8+barWidth*v/most, top+15, number(v))
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
