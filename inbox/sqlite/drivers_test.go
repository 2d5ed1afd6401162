package sqliteinbox_test

import (
	"database/sql"
	"database/sql/driver"
	"errors"
	"log/slog"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	ours "modernc.org/sqlite"

	"github.com/aihooks/aihooks-go/inbox"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/internal/test/kit"
)

// An otherDriver is that of another SQLite library. A strictDriver also rejects an empty name.
type (
	otherDriver  struct{}
	strictDriver struct{ otherDriver }
)

func (otherDriver) Open(string) (driver.Conn, error) { return nil, errors.New("must not be opened") }

func (strictDriver) OpenConnector(string) (driver.Connector, error) {
	return nil, errors.New("a name is needed")
}

// openWithDrivers opens an inbox in a program with several drivers. It runs in a separate process, because registered
// drivers cannot be removed.
func openWithDrivers() error {
	for name, d := range map[string]driver.Driver{
		"sqlite3": otherDriver{}, "libsql": &strictDriver{}, "SQLite3-otel": &otherDriver{},
		"sqlite-of-ours": &ours.Driver{}, "postgres": otherDriver{},
	} {
		sql.Register(name, d)
	}
	box, err := sqliteinbox.Open(os.Getenv(envFile), &sqliteinbox.Options{Policy: inbox.Policy{
		Logger: slog.New(slog.NewTextHandler(os.Stdout, nil)),
	}})
	if err != nil {
		return err
	}
	return box.Close()
}

func TestOpen_WarnsOfOtherSQLiteLibraries(t *testing.T) {
	output, err := kit.Role("drivers", envFile+"="+pathOf(t)).CombinedOutput()
	require.NoError(t, err, string(output))
	require.Regexp(t, `level=WARN msg="sqliteinbox: [^\n]*another SQLite library[^\n]* drivers="\[SQLite3-otel libsql sqlite3\]"\n`, string(output))
}
