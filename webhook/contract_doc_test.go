package webhook_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

var update = flag.Bool("update", false, "write the contract into the package documentation")

var documented = regexp.MustCompile(`(?m)(^//\twhat happened .*\n(?://\t.*\n)*)|^//\t\{\{contract\}\}\n`)

func TestContract_MatchesPackageDocumentation(t *testing.T) {
	source, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	if *update {
		written := documented.ReplaceAllLiteralString(string(source), webhook.ContractTable())
		require.NoError(t, os.WriteFile("doc.go", []byte(written), 0o644))
		return
	}
	require.Equal(t, webhook.ContractTable(), documented.FindString(string(source)),
		"run `make generate`: the table in doc.go is not the contract")
}

func TestContract_HasOneResponseForEachReason(t *testing.T) {
	type key struct {
		outcome webhook.Outcome
		reason  webhook.Reason
	}
	responses := make(map[key]webhook.ContractRow)
	outcomes := make(map[webhook.Outcome]bool)
	for _, row := range webhook.Contract() {
		outcomes[row.Outcome] = true
		reasons := row.Reasons
		if len(reasons) == 0 {
			reasons = []webhook.Reason{webhook.ReasonNone}
		}
		for _, reason := range reasons {
			k := key{row.Outcome, reason}
			if known, ok := responses[k]; ok {
				require.Equal(t, known.Status, row.Status, "two rows of %v differ in their response", k)
				require.Equal(t, known.RetryAfter, row.RetryAfter, "two rows of %v differ in their response", k)
			}
			responses[k] = row
		}
		require.False(t, row.Status == 202 || row.Status == 204, "WorkFlux lists 200 alone as success")
		if row.RetryAfter {
			require.Equal(t, 503, row.Status)
		}
	}
	source, err := os.ReadFile("outcome.go")
	require.NoError(t, err)
	constants := regexp.MustCompile(`Outcome = "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	require.LessOrEqual(t, len(constants), 12)
	for _, m := range constants {
		require.Contains(t, outcomes, webhook.Outcome(m[1]), "every outcome must have a row in the contract")
	}
	require.Len(t, outcomes, len(constants))
	require.NotContains(t, strings.ToLower(string(source)), "statusaccepted")
}

// A reason that no row has must not end the process: respond and reportLate use the row without a check.
func TestContract_HasResponseForUnlistedReason(t *testing.T) {
	for _, row := range webhook.Contract() {
		require.True(t, webhook.HasRule(row.Outcome, "unlisted"), row.Outcome)
	}
}

func TestOutcome_EachHasHelp(t *testing.T) {
	const page = "../docs/outcomes.md"
	if *update {
		require.NoError(t, os.WriteFile(page, []byte(webhook.OutcomesPage()), 0o644))
		return
	}
	text, err := os.ReadFile(page)
	require.NoError(t, err)
	require.Equal(t, webhook.OutcomesPage(), string(text), "run `make generate`: docs/outcomes.md is not the table")

	outcomes, reasons := constants(t, "outcome.go", `Outcome = "(\w+)"`), constants(t, "reason.go", `Reason += "(\w+)"`)
	reasons = append(reasons, constants(t, "../signature/reason.go", `Reason = "(\w+)"`)...)
	for _, name := range outcomes {
		means, action := webhook.Outcome(name).Help()
		require.True(t, means != "" && action != "", name)
	}
	for _, name := range reasons {
		means, action := webhook.Reason(name).Help()
		require.True(t, means != "" && action != "", name)
	}
	require.Equal(t, len(outcomes)+len(reasons), strings.Count(string(text), "\n| `"), "every line must be about an existing outcome or reason")
	means, action := webhook.ReasonNone.Help()
	require.Empty(t, means+action)
}

// constants returns the values of a file's constants.
func constants(t *testing.T, file, pattern string) (values []string) {
	t.Helper()
	source, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
		values = append(values, m[1])
	}
	require.NotEmpty(t, values)
	return values
}
