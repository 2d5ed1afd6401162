package peers_test

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// An npmPackage is a library in JavaScript. Its version is the one that PEERS.md describes. It must equal the version in
// .ci/services.
type npmPackage struct {
	name, version string
	entry         string // the module to import
	script        string // our program that uses it
}

func (p *npmPackage) String() string { return p.name + " " + p.version + " (npm)" }

// npmFolder returns the folder in which .ci/services installs the packages. PEERS_NPM names another folder.
func npmFolder() string {
	if folder := os.Getenv("PEERS_NPM"); folder != "" {
		return folder
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "aihooks-go", "npm")
}

// command returns the command that runs the script. The package must be installed.
func (p *npmPackage) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	install := "run .ci/services, or: npm install --prefix " + npmFolder() + " " + p.name + "@" + p.version
	_, err := exec.LookPath("node")
	require.NoError(t, err, "install node, on Debian with apt-get install nodejs npm; then "+install)
	folder := filepath.Join(npmFolder(), "node_modules", p.name)
	text, err := os.ReadFile(filepath.Join(folder, "package.json")) //nolint:gosec // the user chose the folder
	require.NoError(t, err, install)
	var installed struct{ Version string }
	require.NoError(t, json.Unmarshal(text, &installed))
	require.Equal(t, p.version, installed.Version, install)

	node := exec.Command("node", append([]string{p.script, filepath.Join(folder, p.entry)}, args...)...) //nolint:gosec // the user chose the folder
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
