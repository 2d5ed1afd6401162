package sqliteinbox

import (
	"database/sql"
	"reflect"
	"slices"
	"strings"
)

// sqliteNames are parts of the names under which SQLite libraries register with database/sql.
var sqliteNames = []string{"sqlite", "libsql", "sqlcipher", "turso"}

// otherLibraries returns the drivers of other SQLite libraries in this program. When one of them closes the file, the
// system drops all locks of the process on it. Another process can then delete the write-ahead log that this process
// still writes to.
func otherLibraries() []string {
	ours := libraryOf("sqlite")
	return slices.DeleteFunc(sql.Drivers(), func(name string) bool {
		isSQLite := slices.ContainsFunc(sqliteNames, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
		return !isSQLite || libraryOf(name) == ours // modernc.org/sqlite may be registered under several names
	})
}

// libraryOf returns the package path of a driver, or "" if it is unknown. It opens no database.
func libraryOf(driver string) string {
	db, err := sql.Open(driver, "")
	if err != nil {
		return ""
	}
	defer func() { _ = db.Close() }()
	t := reflect.TypeOf(db.Driver())
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.PkgPath()
}
