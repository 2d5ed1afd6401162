// Package npmtest finds the JavaScript packages that .ci/services installs.
package npmtest

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Package is a package of npm. Its version must equal the version in .ci/services.
type Package struct{ Name, Version string }

func (p Package) String() string { return p.Name + " " + p.Version + " (npm)" }

// Path returns the path of a file of the package. Node and the package must be installed.
func (p Package) Path(t testing.TB, file string) string {
	t.Helper()
	install := "run .ci/services, or: npm install --prefix " + folder() + " " + p.Name + "@" + p.Version
	_, err := exec.LookPath("node")
	require.NoError(t, err, "install node, on Debian with apt-get install nodejs npm; then "+install)
	dir := filepath.Join(folder(), "node_modules", p.Name)
	text, err := os.ReadFile(filepath.Join(dir, "package.json")) //nolint:gosec // the user chose the folder
	require.NoError(t, err, install)
	var installed struct{ Version string }
	require.NoError(t, json.Unmarshal(text, &installed))
	require.Equal(t, p.Version, installed.Version, install)
	return filepath.Join(dir, file)
}

// folder returns the folder in which .ci/services installs the packages. PEERS_NPM names another folder.
func folder() string {
	if dir := os.Getenv("PEERS_NPM"); dir != "" {
		return dir
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "aihooks-go", "npm")
}
