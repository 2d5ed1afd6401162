//go:build unix

package monitoring_test

import (
	"flag"
	"fmt"
	"html"
	"math"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// picture is set by "make pictures".
var picture = flag.String("picture", "", "draw the dashboard of the run into this SVG file")

// The sizes of the picture.
const (
	panelWidth, panelHeight = 560, 250
	plotLeft, plotTop       = 56, 34
	plotWidth, plotHeight   = 490, 130
	maxLegend               = 6
)

var colors = []string{"#3274d9", "#e0752d", "#37872d", "#c4162a", "#8f3bb8", "#b5a01f"}

// A panel is a panel of the dashboard.
type panel struct {
	Title       string
	GridPos     struct{ X, Y int }
	FieldConfig struct{ Defaults struct{ Unit string } }
	Targets     []struct{ Expr, LegendFormat string }
}

// A line is the values of one series.
type line struct {
	name   string
	times  []float64
	values []float64
}

// drawDashboard draws the panels with their values of the last minute. Debian has no Grafana, so the drawing is ours. The
// queries, the titles, the legends and the values are not.
func drawDashboard(t *testing.T, run *run, panels []panel, path string) {
	t.Helper()
	until := time.Now()
	for time.Since(until) < time.Minute { // ordinary traffic, so that there is something to see
		run.cause(map[string]bool{})
		time.Sleep(200 * time.Millisecond) // an interval of the traffic
	}
	until = time.Now()
	var b strings.Builder
	rows := (len(panels) + 1) / 2
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="11">`+"\n", 2*panelWidth, rows*panelHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#f4f5f5"/>`+"\n", 2*panelWidth, rows*panelHeight)
	for i, p := range panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", i%2*panelWidth, i/2*panelHeight)
		p.draw(&b, run.lines(t, p, until.Add(-time.Minute), until))
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o644)) //nolint:gosec // a picture of the documentation
}

var placeholder = regexp.MustCompile(`{{(\w+)}}`)

// lines returns the series of a panel.
func (r *run) lines(t *testing.T, p panel, from, until time.Time) (all []line) {
	t.Helper()
	for _, target := range p.Targets {
		query := url.Values{
			"query": {strings.ReplaceAll(target.Expr, "$__rate_interval", "15s")}, "step": {"1"},
			"start": {strconv.FormatInt(from.Unix(), 10)}, "end": {strconv.FormatInt(until.Unix(), 10)},
		}
		var data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
		require.NoError(t, r.get("/api/v1/query_range?"+query.Encode(), &data))
		for _, series := range data.Result {
			l := line{name: placeholder.ReplaceAllStringFunc(target.LegendFormat, func(s string) string { return series.Metric[strings.Trim(s, "{}")] })}
			for _, v := range series.Values {
				at, _ := v[0].(float64)
				text, _ := v[1].(string)
				if value, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(value) && !math.IsInf(value, 0) {
					l.times, l.values = append(l.times, at-float64(from.Unix())), append(l.values, value)
				}
			}
			if len(l.values) > 0 {
				all = append(all, l)
			}
		}
	}
	return all
}

// draw draws the panel and its first series.
func (p *panel) draw(b *strings.Builder, lines []line) {
	fmt.Fprintf(b, `<rect x="4" y="4" width="%d" height="%d" fill="#fff" stroke="#d8d9da"/>`+"\n", panelWidth-8, panelHeight-8)
	fmt.Fprintf(b, `<text x="14" y="24" font-size="13" font-weight="bold">%s</text>`+"\n", html.EscapeString(p.Title))
	top := 0.0
	for _, l := range lines {
		top = max(top, slices.Max(l.values))
	}
	if top == 0 {
		top = 1
	}
	if top > 10 {
		top = math.Ceil(top/10) * 10
	}
	for i := range 3 {
		y := plotTop + plotHeight*i/2
		fmt.Fprintf(b, `<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="#e5e5e5"/>`, plotLeft, y, plotLeft+plotWidth, y)
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="#555">%s</text>`+"\n", plotLeft-6, y+4, p.unit(top*float64(2-i)/2))
	}
	for i, l := range lines[:min(len(lines), maxLegend)] {
		color := colors[i%len(colors)]
		var points strings.Builder
		for j, v := range l.values {
			fmt.Fprintf(&points, "%.0f,%.1f ", plotLeft+l.times[j]/60*plotWidth, plotTop+plotHeight*(1-v/top))
		}
		fmt.Fprintf(b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", strings.TrimSpace(points.String()), color)
		x, y := plotLeft+i%2*plotWidth/2, plotTop+plotHeight+22+i/2*16
		fmt.Fprintf(b, `<rect x="%d" y="%d" width="10" height="3" fill="%s"/><text x="%d" y="%d">%s</text>`+"\n", x, y-5, color, x+16, y, html.EscapeString(l.name))
	}
	if more := len(lines) - maxLegend; more > 0 {
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="#555">and %d more</text>`+"\n", plotLeft, plotTop+plotHeight+70, more)
	}
}

// unit returns a value in the panel's unit.
func (p *panel) unit(v float64) string {
	switch p.FieldConfig.Defaults.Unit {
	case "percentunit":
		return fmt.Sprintf("%.3g %%", 100*v)
	case "s":
		return fmt.Sprintf("%.3g s", v)
	case "reqps":
		return fmt.Sprintf("%.3g/s", v)
	}
	return strconv.FormatFloat(v, 'f', -1, 32)
}
