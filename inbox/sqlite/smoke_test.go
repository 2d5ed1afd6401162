package sqlite_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
	"github.com/aihooks/aihooks-go/workflux"
	"github.com/aihooks/aihooks-go/workflux/workfluxtest"
)

func TestSmoke(t *testing.T) {
	box, err := sqlite.Open(filepath.Join(t.TempDir(), "a file?.db"), nil)
	require.NoError(t, err)
	hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box})
	require.NoError(t, err)
	got := make(chan string, 100)
	hook.OnEach(func(_ context.Context, e webhook.AnyEvent) error {
		got <- e.Delivery().ID
		return nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- box.Run(ctx, hook) }()
	sender := webhooktest.Sender{Profile: workflux.Profile(), URL: "http://localhost/", Key: signature.NewKey("", "secret")}
	for n := range 3 {
		for i, sample := range workfluxtest.Samples() {
			body := sender.Stamp(sample.Body, time.Now())
			body = append(body, []byte(fmt.Sprintf("%*s", i+1+n*100, ""))...)
			for range 2 {
				r, err := sender.Request(body, time.Now(), "")
				require.NoError(t, err)
				answer := httptest.NewRecorder()
				began := time.Now()
				hook.ServeHTTP(answer, r)
				require.Equal(t, 200, answer.Code)
				t.Log(time.Since(began))
			}
			began := time.Now()
			t.Log(<-got, time.Since(began))
		}
	}
	cancel()
	require.NoError(t, <-ended)
	stats, err := box.Stats(t.Context())
	require.NoError(t, err)
	t.Logf("%+v", stats)
	require.NoError(t, box.Close())
}
