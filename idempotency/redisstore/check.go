package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/aihooks/aihooks-go/internal/deadline"
)

// checkTimeout bounds how long New reads settings.
const checkTimeout = time.Second

// A Setting is a setting of the server that is not as the store needs it. See [WrongSettings].
type Setting struct {
	// Name is the name of the setting in redis.conf.
	Name string

	// Value is its value, and Want the one that the store needs.
	Value, Want string

	// Cost says what happens with this value.
	Cost string
}

// A setting is a server setting that the store needs.
type setting struct{ name, want, cost string }

var needed = []setting{
	{"maxmemory-policy", "noeviction", "Redis will evict keys when its memory is full, and their duplicates will run again"},
	{"appendonly", "yes", "a restart of Redis will forget keys, and their duplicates will run again"},
	{"appendfsync", "always", "a crash of the machine will forget the last keys, and their duplicates will run again"},
}

// check logs a warning for each wrong setting.
func check(client Client, logger *slog.Logger) {
	if _, ok := client.(*redis.Ring); ok {
		logger.Warn("redisstore: a redis.Ring forgets keys when one of its servers is down, and their duplicates will run again; use a cluster")
	}
	if honors, known := honorsDeadlines(client); known && !honors {
		logger.Warn("redisstore: the client ignores the deadlines of contexts; set ContextTimeoutEnabled in its options")
	}
	var wrong []Setting
	err := deadline.Call(context.Background(), checkTimeout, func(ctx context.Context) (err error) {
		wrong, err = WrongSettings(ctx, client)
		return err
	})
	if err != nil {
		logger.Warn("redisstore: cannot read the settings of Redis; check that they are as the package documentation requires", "error", err)
		return
	}
	for _, s := range wrong {
		logger.Warn("redisstore: "+s.Cost, "setting", s.Name, "is", s.Value, "should_be", s.Want)
	}
}

// WrongSettings returns the settings of a server that are not as the package documentation requires. [New] logs a warning
// for each. It returns an error if the server does not let the user read them.
func WrongSettings(ctx context.Context, client Client) (wrong []Setting, err error) {
	settings, err := settingsOf(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("redisstore: %w", err)
	}
	for _, s := range needed {
		if s.name == "appendfsync" && settings["appendonly"] == "no" {
			continue // appendfsync has no effect then
		}
		if got := settings[s.name]; got != s.want {
			wrong = append(wrong, Setting{s.name, got, s.want, s.cost})
		}
	}
	return wrong, nil
}

// honorsDeadlines reports whether the client ends a call at its context's deadline, if that is known.
func honorsDeadlines(client Client) (honors, known bool) {
	switch c := client.(type) {
	case *redis.Client:
		return c.Options().ContextTimeoutEnabled, true
	case *redis.ClusterClient:
		return c.Options().ContextTimeoutEnabled, true
	default:
		return false, false
	}
}

// settingsOf reads the needed settings of the server. For a cluster, it returns the wrong value if one master has one.
func settingsOf(ctx context.Context, client Client) (map[string]string, error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return settingsOfOne(ctx, client)
	}
	var mu sync.Mutex
	all := make(map[string]string)
	err := cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		one, err := settingsOfOne(ctx, master)
		mu.Lock()
		defer mu.Unlock()
		for _, s := range needed {
			if got := all[s.name]; got == "" || got == s.want {
				all[s.name] = one[s.name]
			}
		}
		return err
	})
	return all, err
}

func settingsOfOne(ctx context.Context, client Client) (map[string]string, error) {
	all := make(map[string]string)
	for _, s := range needed {
		one, err := client.ConfigGet(ctx, s.name).Result()
		if err != nil {
			return nil, err
		}
		if one[s.name] == "" {
			return nil, fmt.Errorf("CONFIG GET %s returned nothing", s.name)
		}
		all[s.name] = one[s.name]
	}
	return all, nil
}
