package boxes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
)

// openRiver connects to PostgreSQL. The parameter "schema" names the schema of River's tables. Unless the command changes
// something, the server refuses every change.
func openRiver(ctx context.Context, dsn string, mode Mode) (*Box, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return nil, errors.New("river: the address must be a PostgreSQL URL or DSN") // err may have the password
	}
	parameters := config.ConnConfig.RuntimeParams
	schema := parameters["schema"]
	delete(parameters, "schema")
	if parameters["application_name"] == "" {
		parameters["application_name"] = "aihooks"
	}
	if mode != Change {
		parameters["default_transaction_read_only"] = "on"
	}
	config.MaxConns = 4
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("river: %w", err)
	}
	box, err := riverinbox.Attach(ctx, pool, schema)
	if err != nil {
		pool.Close()
		return nil, err
	}
	title := strings.Trim(fmt.Sprintf("%s/%s %s", config.ConnConfig.Host, config.ConnConfig.Database, schema), " ")
	return &Box{Operator: box, Title: title, Close: func() error {
		err := box.Close()
		pool.Close()
		return err
	}}, nil
}
