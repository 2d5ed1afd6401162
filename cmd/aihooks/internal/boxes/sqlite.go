package boxes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
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
	inspect := func(ctx context.Context) ([]Fault, error) { return inspectSQLite(ctx, box) }
	return &Box{Operator: box, Title: filepath.Base(path), Inspect: inspect, Close: box.Close}, nil
}

// inspectSQLite compares the file with the default limits, because it does not have those of the service.
func inspectSQLite(ctx context.Context, box *sqliteinbox.Inbox) (faults []Fault, err error) {
	var mode string
	err = box.View(ctx, func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	})
	if err != nil {
		return nil, err
	}
	if mode != "wal" {
		faults = append(faults, Fault{Found: fmt.Sprintf("The journal mode of the file is %s, and not WAL.", mode),
			Fix: "Name the file that the service opens: a backup has another mode."})
	}
	switch err := box.Ready(ctx); {
	case err == nil, errors.Is(err, sqliteinbox.ErrReadOnly):
	case errors.Is(err, webhook.ErrInboxFull):
		faults = append(faults, Fault{Found: fmt.Sprintf("By the default limits, the inbox takes no delivery: %v.", err),
			Fix: "Free space on the disk, or find out why deliveries are not processed.", Severe: true})
	default:
		faults = append(faults, Fault{Found: fmt.Sprintf("The inbox takes no delivery: %v.", err), Fix: "Check the file and its folder.", Severe: true})
	}
	return faults, nil
}
