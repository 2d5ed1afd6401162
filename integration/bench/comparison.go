package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"time"
)

// A comparison measures contenders in turns, so that other load on the machine affects all of them. The first is the one that
// the others are compared with.
type comparison struct {
	name       string
	units      []string
	contenders []*contender
}

// A contender is one way to do something. A run returns one figure for each unit.
type contender struct {
	name    string
	run     func() ([]float64, error)
	figures [][]float64 // of each round
}

func (c *comparison) add(name string, run func() ([]float64, error)) {
	c.contenders = append(c.contenders, &contender{name: name, run: run})
}

// measure runs all contenders in each round, in a changing order. The first round is a warm-up.
func (c *comparison) measure() error {
	began := time.Now()
	for round := range *rounds + 1 {
		for i := range c.contenders {
			x := c.contenders[(i+round)%len(c.contenders)]
			figures, err := x.run()
			if err != nil {
				return fmt.Errorf("%s: %s: %w", c.name, x.name, err)
			}
			if round > 0 {
				x.figures = append(x.figures, figures)
			}
		}
	}
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(began).Seconds(), c.name)
	return nil
}

// median returns the median of a contender's figures for a unit.
func (c *comparison) median(x *contender, unit int) float64 {
	var all []float64
	for _, figures := range x.figures {
		all = append(all, figures[unit])
	}
	return median(all)
}

// ratio returns the median of the ratios to the first contender, each within one round.
func (c *comparison) ratio(x *contender, unit int) float64 {
	var all []float64
	for round, figures := range x.figures {
		all = append(all, figures[unit]/c.contenders[0].figures[round][unit])
	}
	return median(all)
}

func median(v []float64) float64 {
	slices.Sort(v)
	if len(v)%2 == 0 {
		return (v[len(v)/2-1] + v[len(v)/2]) / 2
	}
	return v[len(v)/2]
}

// writeTable writes comparisons with the same units as one table in Markdown.
func writeTable(w *bytes.Buffer, all []*comparison) {
	units := all[0].units
	fmt.Fprintf(w, "| | | %s |\n|---|---|%s\n", strings.Join(units, " | "), strings.Repeat("---:|", len(units)))
	for _, c := range all {
		name := c.name
		for _, x := range c.contenders {
			fmt.Fprintf(w, "| %s | %s |", name, x.name)
			for unit := range units {
				fmt.Fprintf(w, " %s", number(c.median(x, unit)))
				if ratio := c.ratio(x, unit); x != c.contenders[0] && !math.IsNaN(ratio) && !math.IsInf(ratio, 0) {
					fmt.Fprintf(w, " (%.2f)", ratio)
				}
				fmt.Fprint(w, " |")
			}
			fmt.Fprintln(w)
			name = ""
		}
	}
}

// number writes three significant digits, without an exponent.
func number(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
