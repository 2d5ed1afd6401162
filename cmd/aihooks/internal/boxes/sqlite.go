package boxes

import (
	"context"
	"path/filepath"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// openSQLite opens a file. A command that reads once leaves no trace. One that follows the file needs what SQLite keeps next to
// it, because the service may start later.
func openSQLite(_ context.Context, path string, mode Mode) (*Box, error) {
	attach := sqliteinbox.Attach
	if mode == Look {
		attach = sqliteinbox.AttachReadOnly
	}
	box, err := attach(path)
	if err != nil {
		return nil, err
	}
	return &Box{Operator: box, Title: filepath.Base(path), Close: box.Close}, nil
}
