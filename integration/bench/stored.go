package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	_ "modernc.org/sqlite" // for the handler by hand

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

// inboxHandler stores deliveries in an SQLite inbox, which runs their callbacks.
func inboxHandler(file string, logger *slog.Logger) (http.Handler, error) {
	box, err := sqliteinbox.Open(file, nil)
	if err != nil {
		return nil, err
	}
	h, err := oursHandler(&webhook.Options{Logger: logger, Inbox: box})
	if err != nil {
		return nil, err
	}
	go func() { fail(box.Run(context.Background(), h)) }()
	return h, nil
}

// insertingHandler does the same by hand: it verifies a delivery, stores it durably and once, and responds. A goroutine runs
// the callbacks. It has no leases, no retries and no dead letters.
func insertingHandler(file string) (http.Handler, error) {
	db, err := sql.Open("sqlite", "file:"+file+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(5000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	const schema = `CREATE TABLE deliveries (n INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, body BLOB NOT NULL, done INTEGER NOT NULL);
		CREATE INDEX pending ON deliveries (n) WHERE done = 0`
	if _, err := db.ExecContext(context.Background(), schema); err != nil {
		return nil, err
	}
	arrived := make(chan struct{}, 1)
	go func() {
		for range arrived {
			fail(runPending(db))
		}
	}()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := verified(w, r)
		if !ok {
			return
		}
		var envelope struct {
			ID        string `json:"id"`
			Timestamp int64  `json:"timestamp"`
		}
		if err := json.Unmarshal(body, &envelope); err != nil || !fresh(envelope.Timestamp) {
			http.Error(w, "stale", http.StatusUnauthorized)
			return
		}
		const insert = `INSERT INTO deliveries (id, body, done) VALUES (?, ?, 0) ON CONFLICT DO NOTHING`
		if _, err := db.ExecContext(r.Context(), insert, envelope.ID, body); err != nil {
			http.Error(w, "failed", http.StatusServiceUnavailable)
			return
		}
		select {
		case arrived <- struct{}{}:
		default:
		}
		succeed(w)
	}), nil
}

// runPending runs the callbacks of all stored deliveries, up to 100 in each transaction.
func runPending(db *sql.DB) error {
	for {
		last, err := runSome(db)
		if err != nil || last == 0 {
			return err
		}
		const done = `UPDATE deliveries SET done = ? WHERE done = 0 AND n <= ?`
		if _, err := db.ExecContext(context.Background(), done, time.Now().Unix(), last); err != nil {
			return err
		}
	}
}

// runSome runs the callbacks of up to 100 stored deliveries. It returns the number of the last one, or zero.
func runSome(db *sql.DB) (last int64, err error) {
	rows, err := db.QueryContext(context.Background(), `SELECT n, body FROM deliveries WHERE done = 0 ORDER BY n LIMIT 100`)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		var body []byte
		var event struct {
			Data TranscriptData `json:"data"`
		}
		if err := rows.Scan(&last, &body); err != nil {
			return 0, err
		}
		if err := json.Unmarshal(body, &event); err != nil {
			return 0, err
		}
		if err := called(context.Background(), &event.Data); err != nil {
			return 0, err
		}
	}
	return last, rows.Err()
}

// fail ends a server whose background work failed.
func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}
