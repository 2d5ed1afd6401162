package sqliteinbox

import (
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// networkFileSystems has the types of statfs(2), from the kernel's include/uapi/linux/magic.h and the file systems'
// headers. FUSE is not among them, because it can also be a local disk.
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

// volatileFileSystems has the types of file systems in memory, and of a container's writable layer.
var volatileFileSystems = map[int64]string{
	0x01021994: "tmpfs",
	0x858458F6: "ramfs",
	0x794C7630: "overlay",
}

func volatileFileSystem(dir string) string {
	var s unix.Statfs_t
	if err := statfs(dir, &s); err != nil {
		return ""
	}
	return volatileFileSystems[int64(s.Type)&0xFFFFFFFF] //nolint:unconvert // 32 bits on some machines
}

// mountEscapes decodes the characters that proc_pid_mountinfo(5) escapes.
var mountEscapes = strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)

// Tests replace mountInfo.
var mountInfo = "/proc/self/mountinfo"

// isMountPoint reports whether the path is a mount point. A file mounted from the same file system has the device of its
// folder, so only the list of mounts shows it.
func isMountPoint(path string) bool {
	mounts, err := os.ReadFile(mountInfo)
	if err != nil {
		return false // unknown
	}
	return slices.ContainsFunc(strings.Split(string(mounts), "\n"), func(line string) bool {
		const mountPoint = 4
		fields := strings.Fields(line)
		return len(fields) > mountPoint && mountEscapes.Replace(fields[mountPoint]) == path
	})
}
