package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
)

// A riverBox also stops its River client when it is shut down.
type riverBox struct {
	*riverinbox.Inbox
	client *riverinbox.Client
}

func (b riverBox) Shutdown(ctx context.Context) error {
	return errors.Join(b.Inbox.Shutdown(ctx), b.client.Stop(ctx))
}

// openRiver creates missing tables of River and of the inbox, and starts a River client that works only for the inbox.
func openRiver(ctx context.Context, source string, policy inbox.Policy) (inbox.Inbox, func() error, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	poolConfig, err := pgxpool.ParseConfig(source)
	if err != nil {
		return nil, nil, err
	}
	poolConfig.MaxConns = 16
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, nil, err
	}
	opened, err := riverinbox.New(pool, &riverinbox.Options{Policy: policy, Namespace: namespace})
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	client, err := startRiver(ctx, pool, opened, policy)
	if err != nil {
		err = errors.Join(err, opened.Close())
		pool.Close()
		return nil, nil, err
	}
	return riverBox{opened, client}, func() error {
		stop, cancel := context.WithTimeout(context.Background(), 2*time.Second) // for a service that did not start
		defer cancel()
		if err := client.Stop(stop); err != nil {
			return fmt.Errorf("stopping River: %w", err) // do not close the pool: a running job still has a connection
		}
		err := opened.Close()
		pool.Close()
		return err
	}, nil
}

// startRiver creates missing tables and starts a River client for the inbox.
func startRiver(ctx context.Context, pool *pgxpool.Pool, box *riverinbox.Inbox, policy inbox.Policy) (*riverinbox.Client, error) {
	if err := box.Migrate(ctx); err != nil {
		return nil, err
	}
	c := &river.Config{Logger: policy.Logger}
	if err := box.Configure(c); err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	if err != nil {
		return nil, err
	}
	if err := box.Use(ctx, client); err != nil {
		return nil, err
	}
	return client, client.Start(context.WithoutCancel(ctx)) // the caller stops the client
}
