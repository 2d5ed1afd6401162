package sqlite

import "golang.org/x/sys/unix"

// networkFileSystems are the types of statfs(2), by the kernel's include/uapi/linux/magic.h and the file systems' own
// headers. FUSE is not among them: what is behind it can be a local disk as well.
var networkFileSystems = map[int64]string{
	0x6969:     "NFS",
	0x517B:     "SMB",
	0xFE534D42: "SMB2",
	0xFF534D42: "CIFS",
	0x00C36400: "Ceph",
	0x01021997: "9P",
	0x5346414F: "AFS",
	0x6B414653: "AFS",
	0x73757245: "Coda",
	0x0BD00BD0: "Lustre",
	0x47504653: "GPFS",
	0x01161970: "GFS2",
	0x7461636F: "OCFS2",
}

func networkFileSystem(s *unix.Statfs_t) string {
	return networkFileSystems[int64(s.Type)&0xFFFFFFFF] //nolint:unconvert // 32 bits on some machines
}
