package aihooks_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// faultCount is how many faults docs/faults.md lists.
const faultCount = 32

var (
	faultRow    = regexp.MustCompile(`^\| (\d+) \| (.+) \| (.+) \|$`)
	engineRow   = regexp.MustCompile(`^\| (.+?) \| ?(.*?) ?\| (.+) \|$`)
	faultFolder = regexp.MustCompile("^`([a-z0-9./]+)` (.+)$")
	testName    = regexp.MustCompile(`^(Test|Fuzz|Benchmark)[A-Z]\w*$`)
)

func TestFaults_EveryRowNamesItsTests(t *testing.T) {
	page, err := os.ReadFile("docs/faults.md")
	require.NoError(t, err)
	row := 0
	for line := range strings.Lines(string(page)) {
		cells := faultRow.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		if cells == nil {
			require.Zero(t, row, "after the first row there are only rows: %q", line)
			continue
		}
		row++
		require.Equal(t, strconv.Itoa(row), cells[1])
		requireTests(t, cells[3])
	}
	require.Equal(t, faultCount, row, "each fault has a row")
}

func TestEngines_EveryRowNamesItsTests(t *testing.T) {
	page, err := os.ReadFile("docs/engines.md")
	require.NoError(t, err)
	rows := 0
	for line := range strings.Lines(string(page)) {
		switch cells := engineRow.FindStringSubmatch(strings.TrimRight(line, "\r\n")); {
		case cells == nil || cells[1] == "needs" || cells[1] == "---":
		case cells[3] == "—":
			rows++
		default:
			rows++
			requireTests(t, cells[3])
		}
	}
	require.Greater(t, rows, 35)
}

var (
	namedTests  = regexp.MustCompile("`([a-z0-9./]+)`\\s+((?:Test|Fuzz|Benchmark)[A-Z]\\w+(?:,\\s+(?:Test|Fuzz|Benchmark)[A-Z]\\w+)*)")
	anyTest     = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark)[A-Z]\w+`)
	tableRow    = regexp.MustCompile(`^\| (.+) \| (.+) \|$`)
	alertedCode = regexp.MustCompile("`([a-z_]+)`")
)

func TestProduction_NamesExistingTests(t *testing.T) {
	for _, path := range []string{"docs/production.md", "docs/logs.md"} {
		page, err := os.ReadFile(path)
		require.NoError(t, err)
		named := 0
		for _, m := range namedTests.FindAllStringSubmatch(string(page), -1) {
			tests := strings.Join(strings.Fields(m[2]), " ")
			requireTests(t, "`"+m[1]+"` "+tests)
			named += strings.Count(tests, ",") + 1
		}
		require.Len(t, anyTest.FindAllString(string(page), -1), named, "%s: each test needs the folder before its name", path)
		require.Positive(t, named)
	}
}

func TestProduction_EveryFailureNamesItsTests(t *testing.T) {
	rows := tableOfProduction(t, "## Failures")
	for _, row := range rows {
		cells := strings.Split(row, " | ")
		require.Len(t, cells, 5, row)
		requireTests(t, cells[4])
	}
	require.Greater(t, len(rows), 20)
}

func TestProduction_AlertsOnExistingCodes(t *testing.T) {
	found := 0
	for _, row := range tableOfProduction(t, "## Alerts") {
		cells := strings.Split(row, " | ")
		require.Len(t, cells, 3, row)
		for _, m := range alertedCode.FindAllStringSubmatch(cells[1], -1) {
			outcome, _ := webhook.Outcome(m[1]).Help()
			reason, _ := webhook.Reason(m[1]).Help()
			require.NotEmpty(t, outcome+reason, "%s is neither an outcome nor a reason", m[1])
			found++
		}
	}
	require.Greater(t, found, 20)
}

// tableOfProduction returns the rows of the table below a heading of docs/production.md.
func tableOfProduction(t *testing.T, heading string) (rows []string) {
	t.Helper()
	page, err := os.ReadFile("docs/production.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n"+heading+"\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\r\n")
		if tableRow.MatchString(line) {
			rows = append(rows, strings.Trim(line, "| "))
		}
	}
	require.NotEmpty(t, rows)
	return rows[1:] // without the head
}

// requireTests requires that a cell of a table names folders and tests in them.
func requireTests(t *testing.T, cell string) {
	t.Helper()
	for group := range strings.SplitSeq(cell, "; ") {
		m := faultFolder.FindStringSubmatch(group)
		require.NotNil(t, m, "%q must be a folder and tests", group)
		there := testsIn(t, m[1])
		for name := range strings.SplitSeq(m[2], ", ") {
			require.Regexp(t, testName, name)
			if !there[name] {
				t.Errorf("%s is no test in the folder %s", name, m[1])
			}
		}
	}
}

// testsOf has what testsIn has found, because the tables name the same folders often.
var testsOf = make(map[string]map[string]bool)

// testsIn returns the names of the test functions in a folder's files.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	if names, known := testsOf[folder]; known {
		return names
	}
	files, err := filepath.Glob(filepath.Join(filepath.FromSlash(folder), "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, "no tests in the folder %s", folder)
	names := make(map[string]bool)
	for _, path := range files {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil {
				names[f.Name.Name] = true
			}
		}
	}
	testsOf[folder] = names
	return names
}
