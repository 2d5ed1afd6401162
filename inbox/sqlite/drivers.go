package sqlite

import (
	"database/sql"
	"reflect"
	"slices"
	"strings"
)

// sqliteNames are parts of the names under which other SQLite libraries register with database/sql.
var sqliteNames = []string{"sqlite", "libsql", "sqlcipher", "turso"}

// otherLibraries returns the drivers of other SQLite libraries in this program. The system forgets all locks of a process
// on a file when one of them closes it, and another program then deletes the log that this one goes on writing to.
func otherLibraries() []string {
	ours := libraryOf("sqlite")
	return slices.DeleteFunc(sql.Drivers(), func(name string) bool {
		isSQLite := slices.ContainsFunc(sqliteNames, func(part string) bool { return strings.Contains(strings.ToLower(name), part) })
		return !isSQLite || libraryOf(name) == ours // modernc.org/sqlite may have several names
	})
}

// libraryOf returns the package of a driver; "" where it is unknown. It opens no database.
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
