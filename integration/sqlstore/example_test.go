package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

func Example_sqlite() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "hooks.db")

	ctx := context.Background()
	for range 2 { // before and after a restart
		db, err := sql.Open("sqlite", "file:"+path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(500)")
		if err != nil {
			log.Fatal(err)
		}
		store, err := sqlstore.New(db, &sqlstore.Options{
			Dialect: sqlstore.SQLite, Namespace: "billing", Retention: 30 * 24 * time.Hour,
		})
		if err != nil {
			log.Fatal(err)
		}
		if err := store.Migrate(ctx); err != nil {
			log.Fatal(err)
		}
		guard, err := idempotency.NewGuard(store, nil)
		if err != nil {
			log.Fatal(err)
		}
		state, err := guard.Do(ctx, "order-1", func(context.Context) error {
			fmt.Println("billed")
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(state)
		db.Close()
	}
	// Output:
	// billed
	// acquired
	// completed
}

// This callback uses pgx directly, not database/sql. The store uses the same pool through pgx's stdlib package. CompleteTx
// gets the transaction through an adapter.
func ExampleStore_CompleteTx_pgx() {
	server, err := pgtest.Open()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	pool, err := pgxpool.New(ctx, server.DSN("postgres"))
	if err != nil {
		log.Fatal(err)
	}
	defer pool.Close()
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.Exec(ctx, "CREATE TABLE invoices (event text)"); err != nil {
		log.Fatal(err)
	}

	callback := func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "INSERT INTO invoices VALUES ('order-1')"); err != nil {
				return err
			}
			return store.CompleteTx(ctx, pgxTx{tx}) // an error rolls the invoice back
		})
	}
	guard, err := idempotency.NewGuard(store, nil) // a webhook handler has its own Guard
	if err != nil {
		log.Fatal(err)
	}
	for range 2 {
		state, err := guard.Do(ctx, "order-1", callback)
		fmt.Println(state, err)
	}
	var invoices int
	if err := pool.QueryRow(ctx, "SELECT count(*) FROM invoices").Scan(&invoices); err != nil {
		log.Fatal(err)
	}
	fmt.Println("invoices:", invoices)
	// Output:
	// acquired <nil>
	// completed <nil>
	// invoices: 1
}

// pgxTx makes a pgx transaction an sqlstore.Execer.
type pgxTx struct{ pgx.Tx }

func (tx pgxTx) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	tag, err := tx.Exec(ctx, query, args...)
	return driver.RowsAffected(tag.RowsAffected()), err
}
