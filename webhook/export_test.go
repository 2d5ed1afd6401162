package webhook

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// ContractRow is a row of the outcome contract.
type ContractRow struct {
	What       string
	Outcome    Outcome
	Reasons    []Reason
	Status     int
	RetryAfter bool
	Key        string
}

// Contract returns the outcome contract.
func Contract() []ContractRow {
	rows := make([]ContractRow, len(contract))
	for i, r := range contract {
		rows[i] = ContractRow{r.what, r.outcome, r.reasons, r.status, r.retryAfter, r.key}
	}
	return rows
}

// ContractTable renders the contract as it is in the package documentation.
func ContractTable() string {
	lines := [][5]string{{"what happened", "response", "the key", "outcome", "reason"}}
	for _, r := range contract {
		response := fmt.Sprint(r.status)
		if r.retryAfter {
			response += " + Retry-After"
		}
		reasons := make([]string, len(r.reasons))
		for i, reason := range r.reasons {
			reasons[i] = string(reason)
		}
		lines = append(lines, [5]string{r.what, response, r.key, string(r.outcome), strings.Join(reasons, ", ")})
	}
	var width [5]int
	for _, l := range lines {
		for i, cell := range l {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, l := range lines {
		row := "//\t"
		for i, cell := range l {
			row += cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2)
		}
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	return b.String()
}

// Used returns how many bytes of the budget are charged, and how many bodies are being read.
func (b *ReadBudget) Used() (bytes int64, reading int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used, len(b.reading)
}

// ReadBudget returns the budget that the handler charges.
func (h *Handler) ReadBudget() *ReadBudget { return h.options.ReadBudget }

// Chunk is the part of a budget that a body takes at first.
const Chunk = chunkSize

// Defaults of Options that tests need.
const (
	DefaultBodyTimeout  = defaultBodyTimeout
	DefaultStoreTimeout = defaultStoreTimeout
	DefaultReadBudget   = defaultReadBudget
)

// OutcomesPage renders docs/outcomes.md.
func OutcomesPage() string {
	var b strings.Builder
	b.WriteString("# Outcomes and reasons\n\n" +
		"Every delivery ends with one outcome, and most with a reason: in the log line, in the `Observation`, and in an inbox's attempts.\n" +
		"The [contract](https://pkg.go.dev/github.com/aihooks/aihooks-go/webhook#hdr-The_outcome_contract) says which response each gets.\n" +
		"`make generate` writes this page from the table in `webhook/meaning.go`.\n")
	write := func(title, column string, table []meaning) {
		fmt.Fprintf(&b, "\n## %s\n\n| %s | what it means | what an operator does |\n|---|---|---|\n", title, column)
		for _, m := range table {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", m.name, m.means, m.action)
		}
	}
	write("Outcomes", "outcome", meanings.outcomes)
	write("Reasons", "reason", meanings.reasons)
	b.WriteString("\n## Causes\n\nThe log line of an unauthenticated delivery can have a cause as well, with an explanation: see\n" +
		"[troubleshooting.md](troubleshooting.md).\n")
	return b.String()
}

// HasRule reports whether the contract has a response for an outcome with a reason.
func HasRule(o Outcome, r Reason) bool { return ruleOf(o, r) != nil }
