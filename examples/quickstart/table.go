package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// A table prints rows and counts the wrong ones.
type table struct {
	w      *tabwriter.Writer
	rows   int
	failed int
}

func newTable(out io.Writer) *table {
	t := &table{w: tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.w, "VENDOR\tEVENT\tSENT\tSTATUS\tCALLBACKS")
	return t
}

func (t *table) row(vendor, event, sent, status, calls string, ok bool) {
	t.rows++
	if calls == "" {
		calls = "-"
	}
	if !ok {
		t.failed++
		calls += "  <- NOT AS THE CONTRACT SAYS"
	}
	fmt.Fprintf(t.w, "%s\t%s\t%s\t%s\t%s\n", vendor, event, sent, status, calls)
}

func (t *table) close() (failed int, err error) {
	fmt.Fprintf(t.w, "\n%d of %d rows are as the contract says.\n", t.rows-t.failed, t.rows)
	return t.failed, t.w.Flush()
}
