package peers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/npmtest"
)

// An npmPackage is a library in JavaScript. Its version is the one that PEERS.md describes.
type npmPackage struct {
	npmtest.Package
	entry  string // the module to import
	script string // our program that uses it
}

// command returns the command that runs the script.
func (p *npmPackage) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	node := exec.Command("node", append([]string{p.script, p.Path(t, p.entry)}, args...)...) //nolint:gosec // the user chose the folder
	node.Stderr = os.Stderr
	return node
}

// start starts the script, which reads and writes lines until the test ends.
func (p *npmPackage) start(t *testing.T) *nodeProcess {
	t.Helper()
	node := p.command(t)
	in, err := node.StdinPipe()
	require.NoError(t, err)
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, node.Wait())
	})
	return &nodeProcess{in, bufio.NewReader(out)}
}

type nodeProcess struct {
	in  io.Writer
	out *bufio.Reader
}

// call writes a line of JSON and returns the next line.
func (n *nodeProcess) call(t *testing.T, question any) string {
	t.Helper()
	require.NoError(t, json.NewEncoder(n.in).Encode(question))
	line, err := n.out.ReadString('\n')
	require.NoError(t, err)
	return line
}
