//go:build linux

package sqlite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pretend has folders be on file systems of the types given, by statfs(2).
func pretend(t *testing.T, types map[string]int64) {
	t.Helper()
	statfs = func(path string, s *unix.Statfs_t) error {
		if kind, ok := types[path]; ok {
			s.Type = kind
			return nil
		}
		return unix.Statfs(path, s)
	}
	t.Cleanup(func() { statfs = unix.Statfs })
}

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
		require.Empty(t, networkFileSystem(&unix.Statfs_t{Type: kind}), name)
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
