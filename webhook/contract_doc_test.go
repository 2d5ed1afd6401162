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

func TestThePackageDocumentationShowsTheContract(t *testing.T) {
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

func TestEveryOutcomeHasOneAnswer(t *testing.T) {
	answers := make(map[webhook.Outcome]webhook.ContractRow)
	for _, row := range webhook.Contract() {
		if known, ok := answers[row.Outcome]; ok {
			require.Equal(t, known.Status, row.Status, "rows of outcome %s differ in their answer", row.Outcome)
			require.Equal(t, known.RetryAfter, row.RetryAfter, "rows of outcome %s differ in their answer", row.Outcome)
		}
		answers[row.Outcome] = row
		require.False(t, row.Status == 202 || row.Status == 204, "WorkFlux lists 200 alone as success")
		if row.RetryAfter {
			require.Equal(t, 503, row.Status)
		}
	}
	source, err := os.ReadFile("outcome.go")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`Outcome\s+= "(\w+)"`).FindAllStringSubmatch(string(source), -1) {
		require.Contains(t, answers, webhook.Outcome(m[1]), "an outcome without a row in the contract")
	}
	require.NotContains(t, strings.ToLower(string(source)), "statusaccepted")
}
