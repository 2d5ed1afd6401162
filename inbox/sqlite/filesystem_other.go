//go:build !linux && !darwin && !freebsd && !windows

package sqliteinbox

// On other systems neither the free space nor the type of file system is known.

func freeBytes(string) (n int64, known bool) { return 0, false }

func checkFileSystem(string) error { return nil }

func checkWritable(string) error { return nil } // SQLite reports it

func volatileFileSystem(string) string { return "" }

func isMountPoint(string) bool { return false }
