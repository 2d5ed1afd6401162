//go:build darwin || freebsd

package sqlite

import "golang.org/x/sys/unix"

// networkFileSystems are names of file systems, as mount(8) of macOS and FreeBSD shows them.
var networkFileSystems = map[string]string{"nfs": "NFS", "smbfs": "SMB", "afpfs": "AFP", "webdav": "WebDAV", "ftp": "FTP"}

func networkFileSystem(s *unix.Statfs_t) string {
	return networkFileSystems[unix.ByteSliceToString(s.Fstypename[:])]
}
