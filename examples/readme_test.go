package examples

import (
	"strings"
	"testing"

	"github.com/aihooks/aihooks-go/internal/test/readme"
)

func TestReadme_InboxProgramsCompile(t *testing.T) {
	var programs []string
	for _, b := range readme.Blocks(t, "../README.md") {
		if strings.Contains(b, `/inbox/sqlite"`) {
			programs = append(programs, b)
		}
	}
	readme.RequireCompile(t, programs)
}
