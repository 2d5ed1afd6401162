package keysource_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/signature/keysource"
)

func ExampleWatch() {
	folder, err := os.MkdirTemp("", "webhook-keys")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)
	write(filepath.Join(folder, "2025-11"), "the old secret\n")

	source := keysource.Dir(folder)
	keys, err := source.Keys(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	hook, err := convosphere.Config{Keys: keys}.NewHandler(nil)
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	write(filepath.Join(folder, "2026-11"), "the new secret\n")
	keysource.Watch(ctx, source, hook.SetKeys, &keysource.Options{ // usually: go keysource.Watch(ctx, source, hook.SetKeys, nil)
		Logger: slog.New(slog.DiscardHandler),
		Observer: func(_ context.Context, o keysource.Observation) {
			fmt.Println(o.Names, o.Changed, o.Err)
			cancel()
		},
	})
	// Output: [2025-11 2026-11] true <nil>
}

// The client of Vault has these methods. Those of AWS Secrets Manager and GCP Secret Manager fit in the same way.
func ExampleSourceFunc() {
	vault := &vaultClient{"2026-11": "the new secret", "2025-11": "the old secret"}

	source := keysource.SourceFunc(func(ctx context.Context) ([]signature.Key, error) {
		secret, err := vault.KVv2("secret").Get(ctx, "webhooks/convosphere")
		if err != nil {
			return nil, err
		}
		var keys []signature.Key
		for name, value := range secret.Data {
			text, _ := value.(string) // SetKeys refuses a blank secret
			keys = append(keys, signature.NewKey(name, text))
		}
		return keys, nil
	})

	keys, err := source.Keys(context.Background())
	fmt.Println(len(keys), err)
	// Output: 2 <nil>
}

// A vaultClient has the methods of github.com/hashicorp/vault/api that the example calls.
type vaultClient map[string]any

type kvSecret struct{ Data map[string]any }

func (c *vaultClient) KVv2(string) *vaultClient { return c }

func (c *vaultClient) Get(context.Context, string) (*kvSecret, error) { return &kvSecret{*c}, nil }

func write(path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		log.Fatal(err)
	}
}
