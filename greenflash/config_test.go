package greenflash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/greenflash"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestAConfigThatBreaksARuleIsAnErrorThatNamesTheField(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", secret)}
	for name, test := range map[string]struct {
		config greenflash.Config
		want   string
	}{
		"no keys":                 {greenflash.Config{}, "Config.Keys"},
		"a blank secret":          {greenflash.Config{Keys: []signature.Key{signature.NewKey("default", " \n")}}, "Config.Keys"},
		"a key without a name":    {greenflash.Config{Keys: []signature.Key{signature.NewKey("", secret)}}, "Config.Keys"},
		"one name for two keys":   {greenflash.Config{Keys: append(keys, keys...)}, "Config.Keys"},
		"an unknown form":         {greenflash.Config{Keys: keys, Form: "body.timestamp"}, `Config.Form: signature: there is no form "body.timestamp"`},
		"a bad endpoint":          {greenflash.Config{Keys: keys, Endpoint: "a/b"}, "Config.Endpoint"},
		"a negative window":       {greenflash.Config{Keys: keys, Window: -1}, "Config.Window"},
		"negative attempts":       {greenflash.Config{Keys: keys, Attempts: -1}, "Config.Attempts"},
		"a window past the store": {greenflash.Config{Keys: keys, Window: 26 * time.Hour}, "Options.Store"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := test.config.NewHandler(nil)
			require.ErrorContains(t, err, test.want)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestABlankSecretMakesNoHandler(t *testing.T) {
	for _, blank := range []string{"", " ", "\t\n"} {
		_, err := greenflash.NewHandler(blank, nil)
		require.ErrorContains(t, err, "blank")
	}
	_, err := greenflash.NewHandler(secret, nil)
	require.NoError(t, err)
}

func TestAFormThatIsPinnedIsNotPinnedForOthers(t *testing.T) {
	onADay(t, func(t *testing.T) {
		newReceiver(t, greenflash.Config{Form: greenflash.FormBody})
		r := newReceiver(t, greenflash.Config{})
		require.Equal(t, webhook.Handled, r.receive(r.sent(greenflash.FormTimestamp, frustration, time.Now(), "d1")).Outcome)
	})
}

func TestTheFirstFailureIsParkedUnlessConfigAttemptsSaysOtherwise(t *testing.T) {
	for attempts, want := range map[int][]webhook.Outcome{
		0: {webhook.DeadLettered, webhook.Duplicate},
		2: {webhook.Failed, webhook.DeadLettered},
	} {
		c := greenflash.Config{Keys: []signature.Key{signature.NewKey("default", secret)}, Attempts: attempts}
		r := newReceiver(t, greenflash.Config{}) // for its sender
		h, err := c.NewHandler(&webhook.Options{
			Logger:     slog.New(slog.DiscardHandler),
			DeadLetter: func(context.Context, *webhook.Delivery, error) error { return nil },
		})
		require.NoError(t, err)
		h.OnConversationFrustration(func(context.Context, *greenflash.ConversationFrustration) error {
			return errors.New("no pager")
		})
		m := r.sent("", frustration, time.Now(), "d1")
		r.Handler = h
		for _, outcome := range want {
			require.Equal(t, outcome, r.receive(m).Outcome, "attempts: %d", attempts)
		}
	}
}

func TestTheSecretShowsNowhere(t *testing.T) {
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
