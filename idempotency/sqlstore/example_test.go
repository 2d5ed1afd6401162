package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// This receiver remembers its deliveries in PostgreSQL. For examples that run on both engines and with pgx's transactions,
// see integration/sqlstore.
//
//nolint:testableexamples // needs a server
func Example() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	db.SetMaxOpenConns(16)
	db.SetMaxIdleConns(16) // opening a connection costs more than a claim
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "billing"})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
	hook, err := workflux.NewHandler(os.Getenv("WORKFLUX_WEBHOOK_SECRET"), &webhook.Options{Store: store})
	if err != nil {
		log.Fatal(err)
	}
	_ = hook // mount it
}

// This worker runs many callbacks at once. Without batches, it would wait for the disk twice for each.
//
//nolint:testableexamples // needs a server
func ExampleOptions_batch() {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL")) // import _ "github.com/jackc/pgx/v5/stdlib"
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.PostgreSQL, Namespace: "billing", Batch: true})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := idempotency.NewGuard(store, nil)
	if err != nil {
		log.Fatal(err)
	}
	work := func(ctx context.Context, job string) error {
		state, err := guard.Do(ctx, job, func(context.Context) error { return nil /* the work */ })
		if state == idempotency.InFlight {
			return errors.New("another worker has it: try again later")
		}
		return err
	}
	_ = work // run it on several goroutines
}

//nolint:testableexamples // needs a database
func ExampleStore_CompleteTx() {
	var db *sql.DB            // the database of the store
	var store *sqlstore.Store // the Store of the handler's options

	// A callback.
	_ = func(ctx context.Context, e webhook.AnyEvent) error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		if _, err := tx.ExecContext(ctx, "INSERT INTO invoices (event) VALUES ($1)", e.Delivery().ID); err != nil {
			return err
		}
		if err := store.CompleteTx(ctx, tx); err != nil {
			return err // another run has claimed the delivery: roll back
		}
		return tx.Commit()
	}
}

func ExampleSchema() {
	fmt.Print(sqlstore.Schema(sqlstore.PostgreSQL, "hooks.deliveries"))
	// Output:
	// CREATE TABLE IF NOT EXISTS hooks.deliveries (
	//     namespace   text COLLATE "C" NOT NULL,
	//     key         text COLLATE "C" NOT NULL,
	//     state       smallint         NOT NULL, -- 0 released, 1 in flight, 2 completed
	//     token       bytea            NOT NULL, -- of the last claim
	//     attempt     integer          NOT NULL, -- how often it has been claimed
	//     lease_until timestamptz      NOT NULL, -- in flight: when the next claim may have it
	//     expires_at  timestamptz      NOT NULL, -- when it counts as unknown
	//     PRIMARY KEY (namespace, key)
	// );
	//
	// CREATE INDEX IF NOT EXISTS deliveries_expires_at ON hooks.deliveries (expires_at);
}

//nolint:testableexamples // needs a database
func ExampleStore_Purge() {
	var store *sqlstore.Store
	for { // at night, to delete a backlog
		n, err := store.Purge(context.Background(), 1000)
		if err != nil {
			log.Print(err)
		}
		if n < 1000 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
}
