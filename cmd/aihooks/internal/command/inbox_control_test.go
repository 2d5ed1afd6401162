package command

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/internal/test/memorybox"
	"github.com/aihooks/aihooks-go/webhook"
)

// Watch compares the newest thousand dead letters. If one of them is discarded, an old one takes its place.
func TestWatch_DoesNotPrintOldDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var box memorybox.Box
		dead := func(id string) string {
			return box.Add(inbox.DeadLettered, webhook.Delivery{Vendor: "acme", Endpoint: "default", Type: "ping", ID: id})
		}
		newest := ""
		for n := range inbox.MaxLimit + 10 {
			newest = dead(strconv.Itoa(n))
		}
		time.Sleep(time.Hour)
		var out, errs bytes.Buffer
		a := &app{Terminal: Terminal{Out: &out, Err: &errs}, json: true}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- a.watch(ctx, &box) }()
		time.Sleep(time.Minute)
		_, err := box.Discard(t.Context(), inbox.Filter{ID: newest})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		dead("new")
		time.Sleep(time.Minute)
		cancel()
		require.NoError(t, <-ended)
		require.Contains(t, errs.String(), "watching 1000 dead letters")
		require.Equal(t, 1, strings.Count(out.String(), "\n"), out.String())
		require.Contains(t, out.String(), `"id":"new"`)
	})
}
