package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/redis/go-redis/v9"
	_ "modernc.org/sqlite"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/redisstore"
	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	"github.com/aihooks/aihooks-go/webhook"
)

const namespace = "receiver"

// openStore opens the store that STORE names, and sets it in the options: "", memory, sqlite:PATH, postgres://… or redis://…
func openStore(ctx context.Context, c config, o *webhook.Options) (closeStore func() error, err error) {
	if c.store == "" {
		return func() error { return nil }, nil // each handler uses the inbox's store, or creates a memory store
	}
	o.Store, closeStore, err = openNamed(ctx, c.store, o.Logger)
	return closeStore, err
}

func openNamed(ctx context.Context, name string, logger *slog.Logger) (idempotency.Store, func() error, error) {
	kind, path, _ := strings.Cut(name, ":")
	switch kind {
	case "memory":
		store, err := idempotency.NewMemory(&idempotency.MemoryOptions{Logger: logger})
		return store, func() error { return nil }, err
	case "sqlite":
		// Commits are durable, and wait for a lock for less than Options.StoreTimeout.
		file := "file:" + (&url.URL{Path: path}).EscapedPath() +
			"?_txlock=immediate&_pragma=busy_timeout(800)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)"
		return openSQL(ctx, "sqlite", file, sqlstore.SQLite)
	case "postgres", "postgresql":
		return openSQL(ctx, "pgx", name, sqlstore.PostgreSQL)
	case "redis", "rediss":
		return openRedis(name, logger)
	default:
		return nil, nil, errors.New("must be memory, sqlite:PATH, postgres://… or redis://…")
	}
}

func openSQL(ctx context.Context, driver, source string, dialect *sqlstore.Dialect) (idempotency.Store, func() error, error) {
	db, err := sql.Open(driver, source)
	if err != nil {
		return nil, nil, err
	}
	const connections = 16
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: dialect, Namespace: namespace})
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		err = store.Migrate(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return store, db.Close, nil
}

func openRedis(source string, logger *slog.Logger) (idempotency.Store, func() error, error) {
	o, err := redis.ParseURL(source)
	if err != nil {
		return nil, nil, fmt.Errorf("redis: %w", err)
	}
	o.ContextTimeoutEnabled = true
	client := redis.NewClient(o)
	store, err := redisstore.New(client, &redisstore.Options{Namespace: namespace, Logger: logger})
	if err != nil {
		return nil, nil, errors.Join(err, client.Close())
	}
	return store, client.Close, nil
}
