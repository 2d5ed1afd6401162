//go:build linux

package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/logtest"
)

// pretend has folders be on file systems of the types given, by statfs(2).
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

func TestNetworkFileSystemsAreRefused(t *testing.T) {
	for name, kind := range map[string]int64{
		"NFS": unix.NFS_SUPER_MAGIC, "SMB": unix.SMB_SUPER_MAGIC, "SMB2": unix.SMB2_SUPER_MAGIC, "CIFS": unix.CIFS_SUPER_MAGIC,
		"Ceph": unix.CEPH_SUPER_MAGIC, "9P": unix.V9FS_MAGIC, "AFS": unix.AFS_FS_MAGIC, "Coda": unix.CODA_SUPER_MAGIC,
		"OCFS2": unix.OCFS2_SUPER_MAGIC, "Lustre": 0x0BD00BD0, "GPFS": 0x47504653, "GFS2": 0x01161970,
		"CIFS on a machine of 32 bits": int64(int32(-0x00ACB2BE)), "AFS of OpenAFS": unix.AFS_SUPER_MAGIC,
	} {
		dir := t.TempDir()
		pretend(t, map[string]int64{dir: kind})
		_, err := Open(filepath.Join(dir, "inbox.db"), nil)
		require.ErrorContains(t, err, "over a network", name)
		require.ErrorContains(t, err, filepath.Join(dir, "inbox.db"), name)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "nothing was made")
	}
}

func TestLocalFileSystemsAreTaken(t *testing.T) {
	for name, kind := range map[string]int64{
		"ext4": unix.EXT4_SUPER_MAGIC, "XFS": unix.XFS_SUPER_MAGIC, "Btrfs": unix.BTRFS_SUPER_MAGIC, "tmpfs": unix.TMPFS_MAGIC,
		"overlay": unix.OVERLAYFS_SUPER_MAGIC, "F2FS": unix.F2FS_SUPER_MAGIC, "ZFS": 0x2FC12FC1, "FUSE": unix.FUSE_SUPER_MAGIC,
	} {
		var s unix.Statfs_t
		setType(&s.Type, kind)
		require.Empty(t, networkFileSystem(&s), name)
	}
}

func TestAFileThatIsLinkedToIsOnItsOwnFileSystem(t *testing.T) {
	far, near := t.TempDir(), t.TempDir()
	file, link := filepath.Join(far, "inbox.db"), filepath.Join(near, "link.db")
	box, err := Open(file, nil)
	require.NoError(t, err)
	require.NoError(t, box.Close())
	require.NoError(t, os.Symlink(file, link))
	box, err = Open(link, nil)
	require.NoError(t, err)
	require.Equal(t, file, box.path, "where the other files are")
	require.NoError(t, box.Close())
	pretend(t, map[string]int64{far: unix.NFS_SUPER_MAGIC})
	_, err = Open(link, nil)
	require.ErrorContains(t, err, "NFS")
}

func TestOpen_ReportsUnknownFreeSpace(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "inbox.db")
	log := new(logtest.Book)
	for _, minFree := range []int64{0, -1} {
		box, err := Open(path, &Options{MinFree: minFree, Policy: inbox.Policy{Logger: log.Text()}})
		require.NoError(t, err)
		require.NoError(t, box.Close())
	}
	require.Zero(t, log.Count("free space"), "it is known")

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
		require.Equal(t, 1, log.Count("level=WARN", "free space", "MinFree", path), "not where MinFree is off")
	}
}
