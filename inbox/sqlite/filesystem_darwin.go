package sqlite

import "golang.org/x/sys/unix"

var networkFileSystems = map[string]string{"nfs": "NFS", "smbfs": "SMB", "afpfs": "AFP", "webdav": "WebDAV", "ftp": "FTP"}

func networkFileSystem(s *unix.Statfs_t) string {
	return networkFileSystems[unix.ByteSliceToString(s.Fstypename[:])]
}
