package peers_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// octokitVersion is the version that PEERS.md describes. It must equal the version in .ci/services.
const octokitVersion = "6.0.0"

// octokitFolder returns the folder in which .ci/services installs the package with npm. PEERS_OCTOKIT names another folder.
func octokitFolder() string {
	if folder := os.Getenv("PEERS_OCTOKIT"); folder != "" {
		return folder
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "aihooks-go", "npm")
}

// octokit returns the peer in JavaScript. Its package must be installed.
func octokit(t *testing.T) peer {
	t.Helper()
	modules := octokitFolder()
	install := "run .ci/services, or: npm install --prefix " + modules + " @octokit/webhooks-methods@" + octokitVersion
	_, err := exec.LookPath("node")
	require.NoError(t, err, "install node, on Debian with apt-get install nodejs npm; then "+install)
	text, err := os.ReadFile(filepath.Join(modules, "node_modules/@octokit/webhooks-methods/package.json")) //nolint:gosec // the user chose the folder
	require.NoError(t, err, install)
	var installed struct{ Version string }
	require.NoError(t, json.Unmarshal(text, &installed))
	require.Equal(t, octokitVersion, installed.Version, install)

	script, err := filepath.Abs("octokit.mjs")
	require.NoError(t, err)
	node := exec.Command("node", script, filepath.Join(modules, "node_modules/@octokit/webhooks-methods/dist-node/index.js")) //nolint:gosec // the user chose the folder
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	require.NoError(t, err)
	out, err := node.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, node.Start())
	t.Cleanup(func() {
		require.NoError(t, in.Close())
		require.NoError(t, node.Wait())
	})
	write := ofOctokit
	return peer{
		"@octokit/webhooks-methods", "npm", "`X-Hub-Signature-256: sha256=HEX` over the body", "body",
		map[string]mapping{"convosphere": write(withPrefix), "workflux": write(withPrefix), "greenflash": write(ifPrefixed)},
		(&octokitProcess{in, bufio.NewReader(out)}).judge,
	}
}

// ofOctokit maps like the other peers of the body form. It skips vectors with several headers or a body that is not UTF-8, because
// octokit takes strings.
func ofOctokit(write func(value string) (string, bool)) mapping {
	return func(f *file, v *vector) (*delivery, bool) {
		d, ok := ofBody(write)(f, v)
		return d, ok && len(d.signatures) == 1 && utf8.Valid(d.body)
	}
}

type octokitProcess struct {
	in  io.Writer
	out *bufio.Reader
}

func (o *octokitProcess) judge(t *testing.T, d *delivery) error {
	t.Helper()
	require.NoError(t, json.NewEncoder(o.in).Encode([]string{d.secret, string(d.body), d.signatures[0]}))
	line, err := o.out.ReadString('\n')
	require.NoError(t, err)
	if line == "true\n" {
		return nil
	}
	return errors.New(line)
}
