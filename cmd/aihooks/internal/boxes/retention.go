package boxes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/redis/go-redis/v9"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
)

// ErrNoTable reports that a database has no table of the default name.
var ErrNoTable = errors.New("there is no table " + sqlstore.DefaultTable)

// maxScanned bounds how many keys of Redis KeptFor reads. Any recent one has almost all of its time left.
const maxScanned = 10_000

// KeptFor returns for how much longer an idempotency store keeps the completed key that it keeps longest. It is zero if
// there is no completed key. The retention of the store is an option of the service, so a client cannot read it.
func KeptFor(ctx context.Context, address string) (time.Duration, error) {
	if isRedis(address) {
		return keptByRedis(ctx, address)
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return 0, errors.New("the server does not accept the connection") // err may have the password
	}
	defer func() { _ = conn.Close(ctx) }()
	var seconds *float64
	err = conn.QueryRow(ctx, `SELECT extract(epoch FROM max(expires_at) - clock_timestamp())::float8 FROM `+sqlstore.DefaultTable+` WHERE state = 2`).Scan(&seconds)
	var refused *pgconn.PgError
	switch {
	case errors.As(err, &refused) && refused.Code == "42P01": // undefined_table
		return 0, ErrNoTable
	case err != nil:
		return 0, fmt.Errorf("read the table %s: %w", sqlstore.DefaultTable, err)
	case seconds == nil:
		return 0, nil
	default:
		return max(time.Duration(*seconds*float64(time.Second)), 0), nil
	}
}

// keptByRedis looks at the hashes that have the fields of completed keys, because the namespace is not known.
func keptByRedis(ctx context.Context, address string) (longest time.Duration, err error) {
	client, err := openRedis(address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	var cursor uint64
	for scanned := 0; scanned < maxScanned; {
		keys, next, err := client.ScanType(ctx, cursor, "*:*", 500, "hash").Result()
		if err != nil {
			return 0, fmt.Errorf("scan the keys: %w", err)
		}
		states := make([]*redis.SliceCmd, len(keys))
		left := make([]*redis.DurationCmd, len(keys))
		_, err = client.Pipelined(ctx, func(p redis.Pipeliner) error {
			for i, key := range keys {
				states[i], left[i] = p.HMGet(ctx, key, "state", "token"), p.PTTL(ctx, key)
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("read the keys: %w", err)
		}
		for i := range keys {
			if row := states[i].Val(); row[0] == "done" && row[1] != nil {
				longest = max(longest, left[i].Val())
			}
		}
		scanned += len(keys)
		if cursor = next; cursor == 0 {
			break
		}
	}
	return longest, nil
}
