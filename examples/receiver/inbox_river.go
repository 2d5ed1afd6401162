package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/aihooks/aihooks-go/inbox"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
)

// openRiver makes the tables of River and of the inbox, unless they are there, and starts a client that works nothing else.
func openRiver(ctx context.Context, source string, policy inbox.Policy) (box inbox.Inbox, closeAll func() error, err error) {
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
	closeAll = func() error { err := opened.Close(); pool.Close(); return err }
	defer func() {
		if err != nil {
			err = errors.Join(err, closeAll())
		}
	}()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: policy.Logger})
	if err != nil {
		return nil, nil, err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return nil, nil, err
	}
	if err := opened.Migrate(ctx); err != nil {
		return nil, nil, err
	}
	c := &river.Config{Logger: policy.Logger}
	if err := opened.Configure(c); err != nil {
		return nil, nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(pool), c)
	if err != nil {
		return nil, nil, err
	}
	if err := opened.Use(ctx, client); err != nil {
		return nil, nil, err
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil { // it is stopped by closeAll, in its turn
		return nil, nil, err
	}
	closeAll = func() error {
		stop, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := client.Stop(stop); err != nil {
			return fmt.Errorf("stopping River: %w", err) // what does not end keeps its connection
		}
		err := opened.Close()
		pool.Close()
		return err
	}
	return opened, closeAll, nil
}
