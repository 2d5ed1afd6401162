package main

import (
	"os"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

func TestMCP_ServesOneSession(t *testing.T) {
	w := newInboxService(t, 2)
	w.succeed.Store(true)
	c := aihooks(t, nil, "mcp", "--write", "--from", w.path)
	c.Stderr = os.Stderr
	client := mcp.NewClient(&mcp.Implementation{Name: "robot", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: c, TerminateDuration: kit.Patience}, nil)
	require.NoError(t, err)
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "retry_deliveries", Arguments: map[string]any{
		"vendor": "workflux", "expected": 2, "reason": "the CRM is back",
	}})
	require.NoError(t, err)
	require.Equal(t, "2 dead letters are pending again.", result.Content[0].(*mcp.TextContent).Text)
	w.until(t, func(s inbox.Counts) bool { return s.Done == 2 })
	audit, err := w.box.Audit(t.Context())
	require.NoError(t, err)
	require.Regexp(t, `^robot, for .+@.+$`, audit[0].By)
	require.NoError(t, session.Close())
	require.Equal(t, 0, c.ProcessState.ExitCode())
}

func TestMCP_ReportsMissingInbox(t *testing.T) {
	r := run(t, "mcp", "--from", "missing.db").is(t, 1)
	require.Contains(t, r.err, "there is no inbox")
	require.Empty(t, r.out, "only the protocol may be on standard output")
}
