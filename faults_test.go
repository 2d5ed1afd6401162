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

// testsIn returns the names of the test functions in a folder's files.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
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
	return names
}
