package command

import (
	"context"
	"errors"
	"io"

	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/agent"
	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
)

func (a *app) mcpCommand() *cobra.Command {
	var write bool
	c := &cobra.Command{
		Use:   "mcp",
		Short: "Serve an inbox to an AI agent, over the Model Context Protocol",
		Long: `Mcp is a Model Context Protocol server on standard input and output. An agent can list, show, explain, count and wait for the
deliveries of an inbox. With --write it can also retry and discard dead letters, each time with a reason for the audit. Bodies,
ids and errors are marked as untrusted data, because end users may have written them. They are sent to the agent, and so to the
model that it uses.

--from is that of aihooks inbox.`,
		Example: `  aihooks mcp --from inbox.db
  claude mcp add webhooks -- aihooks mcp --from sqlite:/var/lib/app/inbox.db`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			mode := boxes.Follow
			if write {
				mode = boxes.Change
			}
			return a.with(c.Context(), mode, func(box *boxes.Box) error {
				server := agent.NewServer(box, agent.Options{Title: box.Title, Version: thisBuild().Version, By: thisUser(), Write: write})
				err := server.Run(c.Context(), &mcp.IOTransport{Reader: io.NopCloser(a.In), Writer: nopWriteCloser{a.Out}})
				if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) {
					return nil // the agent has ended the session
				}
				return err
			})
		},
	}
	addFromFlag(c, a)
	c.Flags().BoolVar(&write, "write", false, "let the agent retry and discard dead letters")
	return c
}

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
