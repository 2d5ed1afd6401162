//go:build unix

package operator_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/npmtest"
)

// inspector has a command-line mode, in which each run is a session with one request.
var inspector = npmtest.Package{Name: "@modelcontextprotocol/inspector", Version: "2.12.0"}

// inspect runs `aihooks mcp` with flags in the inspector, and decodes the result of a request.
func (s *site) inspect(result any, flags []string, request ...string) {
	s.t.Helper()
	args := append([]string{inspector.Path(s.t, "clients/launcher/build/index.js"), "--cli", tool, "mcp", "--from", s.from}, flags...)
	args = append(args, request...)
	args = append(args, "--connect-timeout", fmt.Sprint(kit.Patience.Milliseconds()))
	c := exec.Command("node", args...) //nolint:gosec // a test
	// Otherwise the inspector writes to the home folder.
	c.Env = append(c.Environ(), "MCP_CATALOG_PATH="+filepath.Join(s.t.TempDir(), "mcp.json"))
	var log bytes.Buffer
	c.Stderr = &log
	out, err := c.Output() // after an error of a tool, there is a result as well
	require.NoError(s.t, json.Unmarshal(out, result), "%v: %v: %s%s", request, err, out, &log)
}

// A toolResult is what a tool returns to an agent.
type toolResult struct {
	Content []struct{ Text string }
	IsError bool
}

func TestMCP_ServesInspectorOnEveryEngine(t *testing.T) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			s := newSite(t, e)
			s.hook.fixed.Store(true)
			var list struct{ Tools []struct{ Name string } }
			s.inspect(&list, nil, "--method", "tools/list")
			names := make([]string, len(list.Tools))
			for i, tool := range list.Tools {
				names[i] = tool.Name
			}
			require.ElementsMatch(t, []string{
				"list_deliveries", "show_delivery", "explain_delivery", "count_deliveries", "inbox_stats", "wait_for_deliveries",
			}, names, "without --write")

			var r toolResult
			s.inspect(&r, nil, "--method", "tools/call", "--tool-name", "list_deliveries", "--tool-arg", "text=connection refused")
			require.False(t, r.IsError)
			require.Contains(t, r.Content[0].Text, errCRM.Error())

			write := []string{"--write"}
			retry := []string{"--method", "tools/call", "--tool-name", "retry_deliveries", "--tool-arg", "type=fails", "expected=10"}
			s.inspect(&r, write, retry...)
			require.True(t, r.IsError, "a change needs a reason")
			r = toolResult{}
			s.inspect(&r, write, append(retry, "reason=the CRM is back")...)
			require.False(t, r.IsError, r.Content)
			require.Equal(t, "10 dead letters are pending again.", r.Content[0].Text)
			s.await(func(c inbox.Counts) bool { return c.DeadLettered == 0 && c.Pending == 10 && c.Running == 0 })
		})
	}
}
