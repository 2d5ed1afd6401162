package aihooks_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/readme"
)

// usageFile holds the tests that the README shows.
const usageFile = "greenflash/greenflashtest/usage_test.go"

func TestReadme_ProgramsCompile(t *testing.T) {
	var programs, tests []string
	for _, b := range readme.Blocks(t, "README.md") {
		switch {
		case strings.HasPrefix(b, "package greenflashtest_test\n"):
			tests = append(tests, b)
		case !strings.Contains(b, `/inbox/sqlite"`): // package examples compiles those
			programs = append(programs, b)
		}
	}
	programs = append(programs, readme.Blocks(t, "docs/production.md")...)
	readme.RequireCompile(t, programs)

	usage, err := os.ReadFile(usageFile)
	require.NoError(t, err)
	require.Equal(t, []string{string(usage)}, tests, "the README's tests are those in %s, which pass", usageFile)
}
