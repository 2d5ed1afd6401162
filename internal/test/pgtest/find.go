//go:build unix

package pgtest

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
)

// debian is where Debian installs the server's programs. They are not in PATH.
const debian = "/usr/lib/postgresql/*/bin"

// find returns the folder of the server's programs. It prefers a folder in PATH to the newest that matches pattern.
func find(pattern string) (string, error) {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		if initdb, err = filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(initdb))
		}
	}
	versions, _ := filepath.Glob(pattern)
	version := func(dir string) int {
		n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		return n
	}
	slices.SortFunc(versions, func(a, b string) int { return version(b) - version(a) })
	for _, dir := range append(dirs, versions...) {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errors.New("pgtest: no PostgreSQL server found (initdb and postgres, in PATH or " + pattern + "); on Debian: apt-get install postgresql")
}

func complete(dir string) bool {
	for _, program := range []string{"initdb", "postgres", "createdb"} {
		if _, err := exec.LookPath(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// unprivileged returns the user to run the server as. It returns nil for the current user, unless that is root, because
// PostgreSQL refuses to run as root.
func unprivileged() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // documented
	}
	for _, name := range []string{"postgres", "nobody"} { // language:ok
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err := strconv.ParseUint(u.Uid, 10, 32)
		if err != nil {
			continue
		}
		gid, err := strconv.ParseUint(u.Gid, 10, 32)
		if err != nil {
			continue
		}
		return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and neither the user postgres nor nobody exists") // language:ok
}
