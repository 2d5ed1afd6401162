//go:build darwin || freebsd

package sqliteinbox

import "golang.org/x/sys/unix"

// networkFileSystems has the names of network file systems, as mount(8) of macOS and FreeBSD shows them.
var networkFileSystems = map[string]string{"nfs": "NFS", "smbfs": "SMB", "afpfs": "AFP", "webdav": "WebDAV", "ftp": "FTP"}

func networkFileSystem(s *unix.Statfs_t) string {
	return networkFileSystems[unix.ByteSliceToString(s.Fstypename[:])]
}

// volatileFileSystems has the names of file systems in memory.
var volatileFileSystems = map[string]string{"tmpfs": "tmpfs", "mfs": "MFS"}

func volatileFileSystem(dir string) string {
	var s unix.Statfs_t
	if err := statfs(dir, &s); err != nil {
		return ""
	}
	return volatileFileSystems[unix.ByteSliceToString(s.Fstypename[:])]
}

// isMountPoint reports whether the path is a mount point.
func isMountPoint(path string) bool {
	var s unix.Statfs_t
	return statfs(path, &s) == nil && unix.ByteSliceToString(s.Mntonname[:]) == path
}
