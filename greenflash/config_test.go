package greenflash_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestConfig_RefusesUnknownForm(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", secret)}
	_, err := greenflash.Config{Keys: keys, Form: "body.timestamp"}.NewHandler(nil)
	require.ErrorContains(t, err, `Config.Form: signature: form "body.timestamp" is unknown`)
	require.NotContains(t, err.Error(), secret)
}

func TestConfig_PinsFormPerHandler(t *testing.T) {
	kit.OnADay(t, func(t *testing.T) {
		newReceiver(t, greenflash.Config{Form: greenflash.FormBody})
		r := newReceiver(t, greenflash.Config{})
		require.Equal(t, webhook.Handled, r.receive(r.sent(greenflash.FormTimestamp, frustration, time.Now(), "d1")).Outcome)
	})
}

func TestSecret_IsNeverShown(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := greenflash.Config{Keys: []signature.Key{signature.NewKey("default", secret)}}
	h, err := c.NewHandler(&webhook.Options{Logger: logger})
	require.NoError(t, err)
	r := newReceiver(t, greenflash.Config{}) // for its sender
	r.Handler = h
	m := r.sent("", frustration, time.Now(), "d1")
	r.receive(m)
	r.receive(m.with("X-Greenflash-Signature", "sha256=00"))
	r.receive(m.with("X-Greenflash-Timestamp", "1"))
	logger.Info("all", "config", c, "keys", c.Keys, "handler", h)
	text, _ := json.Marshal([]any{c, h})
	for _, shown := range []string{
		log.String(), string(text), fmt.Sprintf("%v %+v %#v", c, c, c), fmt.Sprintf("%v %+v %#v", h, h, *h),
	} {
		require.NotContains(t, shown, secret)
		require.NotContains(t, shown, m.header.Get("X-Greenflash-Signature")[len("sha256="):])
	}
}
