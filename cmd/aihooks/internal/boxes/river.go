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
	inspect := func(ctx context.Context) ([]Fault, error) { return InspectPostgreSQL(ctx, pool) }
	return &Box{Operator: box, Title: title, Inspect: inspect, Close: func() error {
		err := box.Close()
		pool.Close()
		return err
	}}, nil
}

// InspectPostgreSQL looks for settings with which the server forgets what it has committed.
func InspectPostgreSQL(ctx context.Context, pool *pgxpool.Pool) (faults []Fault, err error) {
	for _, s := range []struct {
		name, cost string
		severe     bool
	}{
		{"fsync", "a crash of the machine can lose or damage all data", true},
		{"full_page_writes", "a crash of the machine can damage the data", true},
		{"synchronous_commit", "a crash of the server loses the last deliveries that got 200; this is the setting of the user that the tool connects as", true},
	} {
		var value string
		if err := pool.QueryRow(ctx, "SELECT current_setting($1)", s.name).Scan(&value); err != nil {
			return nil, err
		}
		if value == "off" {
			faults = append(faults, Fault{Found: fmt.Sprintf("%s is off: %s.", s.name, s.cost), Fix: fmt.Sprintf("Set %s = on.", s.name), Severe: s.severe})
		}
	}
	return faults, nil
}
