//go:build linux

package sqliteinbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/logtest"
)

// pretend makes statfs(2) report these file system types for folders.
func pretend(t *testing.T, types map[string]int64) {
	t.Helper()
	statfs = func(path string, s *unix.Statfs_t) error {
		if kind, ok := types[path]; ok {
			setType(&s.Type, kind)
			return nil
		}
		return unix.Statfs(path, s)
	}
	t.Cleanup(func() { statfs = unix.Statfs })
}

// setType sets Statfs_t.Type, whose Go type differs between architectures.
func setType[T int32 | uint32 | int64](field *T, kind int64) { *field = T(kind) }

func TestOpen_RefusesNetworkFileSystems(t *testing.T) {
	for name, kind := range map[string]int64{
		"NFS": unix.NFS_SUPER_MAGIC, "SMB": unix.SMB_SUPER_MAGIC, "SMB2": unix.SMB2_SUPER_MAGIC, "CIFS": unix.CIFS_SUPER_MAGIC,
		"Ceph": unix.CEPH_SUPER_MAGIC, "9P": unix.V9FS_MAGIC, "AFS": unix.AFS_FS_MAGIC, "Coda": unix.CODA_SUPER_MAGIC,
		"OCFS2": unix.OCFS2_SUPER_MAGIC, "Lustre": 0x0BD00BD0, "GPFS": 0x47504653, "GFS2": 0x01161970,
		"CIFS on a machine of 32 bits": int64(int32(-0x00ACB2BE)), "AFS of OpenAFS": unix.AFS_SUPER_MAGIC,
	} {
		dir := t.TempDir()
		pretend(t, map[string]int64{dir: kind})
		_, err := Open(filepath.Join(dir, "inbox.db"), nil)
		require.ErrorContains(t, err, "a network file system", name)
		require.ErrorContains(t, err, filepath.Join(dir, "inbox.db"), name)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "no file was created")
	}
}

func TestOpen_AcceptsLocalFileSystems(t *testing.T) {
	for name, kind := range map[string]int64{
		"ext4": unix.EXT4_SUPER_MAGIC, "XFS": unix.XFS_SUPER_MAGIC, "Btrfs": unix.BTRFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC,
		"overlay": unix.OVERLAYFS_SUPER_MAGIC, "F2FS": unix.F2FS_SUPER_MAGIC, "ZFS": 0x2FC12FC1, "FUSE": unix.FUSE_SUPER_MAGIC,
	} {
		var s unix.Statfs_t
		setType(&s.Type, kind)
		require.Empty(t, networkFileSystem(&s), name)
	}
}

func TestOpen_ChecksFileSystemOfLinkTarget(t *testing.T) {
	far, near := t.TempDir(), t.TempDir()
	file, link := filepath.Join(far, "inbox.db"), filepath.Join(near, "link.db")
	box, err := Open(file, nil)
	require.NoError(t, err)
	require.NoError(t, box.Close())
	require.NoError(t, os.Symlink(file, link))
	box, err = Open(link, nil)
	require.NoError(t, err)
	require.Equal(t, file, box.path, "in the folder of the other files")
	require.NoError(t, box.Close())
	pretend(t, map[string]int64{far: unix.NFS_SUPER_MAGIC})
	_, err = Open(link, nil)
	require.ErrorContains(t, err, "NFS")
}

func TestOpen_ReportsUnknownFreeSpace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "inbox.db")
	log := new(logtest.LogBuffer)
	for _, minFree := range []int64{0, -1} {
		box, err := Open(path, &Options{MinFree: minFree, Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		require.NoError(t, box.Close())
	}
	require.Zero(t, log.Count("free space"), "the free space is known")

	statfs = func(name string, s *unix.Statfs_t) error {
		if name == path {
			return unix.ENOSYS
		}
		return unix.Statfs(name, s)
	}
	t.Cleanup(func() { statfs = unix.Statfs })
	for _, minFree := range []int64{0, -1} {
		box, err := Open(path, &Options{MinFree: minFree, Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		require.NoError(t, box.Close())
		require.Equal(t, 1, log.Count("level=WARN", "free space", "MinFree", path), "no warning if MinFree is off")
	}
}

// mountFile mounts a file at a path. Without the right to mount, it replaces the list of mounts.
func mountFile(t *testing.T, file, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	err := unix.Mount(file, path, "", unix.MS_BIND, "")
	if err == nil {
		t.Cleanup(func() { require.NoError(t, unix.Unmount(path, 0)) })
		return
	}
	t.Logf("no right to mount (%v): the test replaces the list of mounts", err)
	list := filepath.Join(t.TempDir(), "mountinfo")
	line := "22 27 0:21 /some/file " + strings.ReplaceAll(path, " ", `\040`) + " rw,relatime - ext4 /dev/vda rw\n"
	require.NoError(t, os.WriteFile(list, []byte(line), 0o600))
	mountInfo = list
	t.Cleanup(func() { mountInfo = "/proc/self/mountinfo" })
}

func TestOpen_RefusesAMountedFile(t *testing.T) {
	memory := filepath.Join(t.TempDir(), "memory")
	require.NoError(t, os.Mkdir(memory, 0o700))
	if err := unix.Mount("tmpfs", memory, "tmpfs", 0, "size=1m"); err == nil {
		t.Cleanup(func() { require.NoError(t, unix.Unmount(memory, 0)) })
	}
	for name, c := range map[string]struct{ from, at, open string }{
		"same file system":  {t.TempDir(), "inbox.db", "inbox.db"},
		"other file system": {memory, "inbox.db", "inbox.db"},
		"space in its name": {t.TempDir(), "my inbox.db", "my inbox.db"},
		"behind a link":     {t.TempDir(), "inbox.db", "link.db"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file, path, opened := filepath.Join(c.from, "inbox.db"), filepath.Join(dir, c.at), filepath.Join(dir, c.open)
			require.NoError(t, os.WriteFile(file, nil, 0o600))
			mountFile(t, file, path)
			if opened != path {
				require.NoError(t, os.Symlink(path, opened))
			}
			for _, open := range []func() (*Inbox, error){
				func() (*Inbox, error) { return Open(opened, nil) },
				func() (*Inbox, error) { return Attach(opened) },
			} {
				_, err := open()
				require.ErrorContains(t, err, "mount the folder instead")
				require.ErrorContains(t, err, opened)
			}
			require.NoFileExists(t, path+"-wal")
		})
	}
}

func TestOpen_AcceptsAMountedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.Mkdir(dir, 0o700))
	if err := unix.Mount(t.TempDir(), dir, "", unix.MS_BIND, ""); err != nil {
		t.Logf("no right to mount (%v): the test uses a normal folder", err)
	} else {
		t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	}
	box, err := Open(filepath.Join(dir, "inbox.db"), nil)
	require.NoError(t, err)
	require.NoError(t, box.Close())
	_, err = Open(dir, nil)
	require.ErrorContains(t, err, "is a directory")
}

func TestOpen_WarnsOfVolatileFileSystems(t *testing.T) {
	for name, kind := range map[string]int64{
		"tmpfs": unix.TMPFS_MAGIC, "overlay": unix.OVERLAYFS_SUPER_MAGIC, "ramfs": unix.RAMFS_MAGIC, "": unix.EXT4_SUPER_MAGIC,
	} {
		dir := t.TempDir()
		pretend(t, map[string]int64{dir: kind})
		log := new(logtest.LogBuffer)
		box, err := Open(filepath.Join(dir, "inbox.db"), &Options{Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		tool, err := Attach(filepath.Join(dir, "inbox.db"))
		require.NoError(t, err)
		require.NoError(t, errors.Join(tool.Close(), box.Close()))
		want := 1
		if name == "" {
			want = 0
		}
		require.Equal(t, want, log.Count("level=WARN", "lost with the container", "file_system="+name, dir), log)
	}
}

func TestOpen_WarnsOfMountedMemoryFileSystem(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Logf("no right to mount (%v): TestOpen_WarnsOfVolatileFileSystems tests the types", err)
		return
	}
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	path := filepath.Join(dir, "inbox.db")
	log := new(logtest.LogBuffer)
	box, err := Open(path, &Options{Policy: inbox.Policy{Logger: log.Text()}})
	require.NoError(t, err)
	defer box.Close()
	require.Equal(t, 1, log.Count("level=WARN", "lost with the container", "file_system=tmpfs", path), log)
	require.Equal(t, 1, log.Count("level=WARN", "MinFree=268435456", "free=1", path), "a volume that is too small: %s", log)
}

func TestOpen_WarnsOfTooLittleFreeSpace(t *testing.T) {
	var s unix.Statfs_t
	dir := t.TempDir()
	require.NoError(t, unix.Statfs(dir, &s))
	free := int64(s.Bavail) * int64(s.Bsize) //nolint:unconvert // 32 bits on some machines
	for minFree, want := range map[int64]int{free + 1<<40: 1, -1: 0, 1: 0} {
		log := new(logtest.LogBuffer)
		box, err := Open(filepath.Join(dir, "inbox.db"), &Options{MinFree: minFree, Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		require.NoError(t, box.Close())
		require.Equal(t, want, log.Count("level=WARN", "less free space than Options.MinFree", fmt.Sprint("MinFree=", minFree), "free="), log)
	}
}
