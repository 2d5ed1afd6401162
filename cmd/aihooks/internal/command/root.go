// Package command implements the commands of aihooks.
package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/aihooks/aihooks-go/internal/allvendors"
)

// A Terminal has the streams and the environment of a process.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	Env      func(name string) (string, bool)
}

// An app is one run of the tool.
type app struct {
	Terminal

	json        bool
	from        string // see inboxCommand
	secretFiles []string
	began       bool                  // the command line is valid, and a command has begun
	lost        atomic.Pointer[error] // why output could not be written
	queue       *queue                // nil means that output is written at once
}

// Run runs the command in args until it returns or ctx ends, and returns the exit code.
func Run(ctx context.Context, t Terminal, args []string) int {
	a := &app{Terminal: t}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(t.In)
	root.SetOut(t.Out)
	root.SetErr(t.Err)
	err := root.ExecuteContext(ctx)
	a.queue.flush(ending)
	if lost := a.lost.Load(); err == nil && lost != nil {
		err = fmt.Errorf("the output cannot be written: %w", *lost)
	}
	if err != nil {
		a.notef("aihooks: %s", strings.Join(printableLines(err.Error()), "\n"))
		if !a.began {
			_, _ = fmt.Fprintln(t.Err, "Run `aihooks help`, or add --help to the command.")
		}
	}
	a.queue.flush(time.Second)
	return codeOf(ctx, err, a.began)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "aihooks",
		Short: "Send, receive, explain and replay webhooks of Greenflash, EmberQA, Convosphere and WorkFlux",
		Long: `aihooks sends, receives, explains and replays the webhooks of Greenflash, EmberQA, Convosphere and WorkFlux on your own
machine. It also checks deployments, and shows and manages inboxes while the service runs.

Secrets come from GREENFLASH_WEBHOOK_SECRET, EMBERQA_WEBHOOK_TOKEN (the token in the URL), CONVOSPHERE_WEBHOOK_SECRET and
WORKFLUX_WEBHOOK_SECRET, or from a --secret-file. There is no flag for a secret, because other users can see command lines.

` + exitCodes,
		Example: `  export GREENFLASH_WEBHOOK_SECRET=made-up
  aihooks listen --web &
  aihooks send greenflash conversation.rating --url http://127.0.0.1:8787/webhooks/greenflash`,
		SilenceErrors:    true,
		SilenceUsage:     true,
		PersistentPreRun: func(*cobra.Command, []string) { a.began = true },
	}
	root.PersistentFlags().BoolVar(&a.json, "json", false, "write JSON")
	root.PersistentFlags().StringArrayVar(&a.secretFiles, "secret-file", nil,
		"`[VENDOR=]FILE` with the secret; one line break at its end is removed")
	root.AddCommand(a.sendCommand(), a.listenCommand(), a.explainCommand(), a.replayCommand(), a.inboxCommand(), a.mcpCommand(),
		a.doctorCommand(), a.versionCommand())
	return root
}

// vendorArg completes the name of a vendor.
func vendorArg(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return allvendors.Names(), cobra.ShellCompDirectiveNoFileComp
}

// completeVendor completes the flag --vendor of a command.
func completeVendor(c *cobra.Command) {
	_ = c.RegisterFlagCompletionFunc("vendor", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return allvendors.Names(), cobra.ShellCompDirectiveNoFileComp
	}) // fails only without the flag
}
