package boxes

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/aihooks/aihooks-go/idempotency/redisstore"
)

// InspectStore looks for settings with which the server of an idempotency store forgets keys. Their duplicates then run again.
func InspectStore(ctx context.Context, address string) (faults []Fault, err error) {
	switch {
	case isRedis(address):
		return inspectRedis(ctx, address)
	case strings.HasPrefix(address, "postgres://"), strings.HasPrefix(address, "postgresql://"):
		pool, err := pgxpool.New(ctx, address)
		if err != nil {
			return nil, errors.New("the address must be a PostgreSQL URL") // err may have the password
		}
		defer pool.Close()
		return InspectPostgreSQL(ctx, pool)
	default:
		return nil, errors.New("the address must begin with redis:// or postgres://")
	}
}

func isRedis(address string) bool {
	return strings.HasPrefix(address, "redis://") || strings.HasPrefix(address, "rediss://")
}

func openRedis(address string) (*redis.Client, error) {
	options, err := redis.ParseURL(address)
	if err != nil {
		return nil, errors.New("the address must be a Redis URL") // err may have the password
	}
	options.ContextTimeoutEnabled = true
	return redis.NewClient(options), nil
}

func inspectRedis(ctx context.Context, address string) (faults []Fault, err error) {
	client, err := openRedis(address)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.Close()) }()
	wrong, err := redisstore.WrongSettings(ctx, client)
	for _, s := range wrong {
		faults = append(faults, Fault{Found: fmt.Sprintf("%s is %s: %s.", s.Name, s.Value, s.Cost), Fix: fmt.Sprintf("Set %s %s.", s.Name, s.Want)})
	}
	return faults, err
}
