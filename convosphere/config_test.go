package convosphere_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestAConfigThatBreaksARuleIsAnErrorThatNamesIt(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", secret)}
	short, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: time.Hour})
	require.NoError(t, err)
	for _, test := range []struct {
		name    string
		config  convosphere.Config
		options *webhook.Options
		says    []string
	}{
		{"no keys", convosphere.Config{}, nil, []string{"convosphere", "Config.Keys"}},
		{"a blank secret", convosphere.Config{Keys: []signature.Key{signature.NewKey("k", " \n")}}, nil, []string{"Config.Keys", `"k" is blank`}},
		{"a key without a name", convosphere.Config{Keys: []signature.Key{signature.NewKey("", secret)}}, nil, []string{"Config.Keys", "name"}},
		{"two keys of one name", convosphere.Config{Keys: append(keys, keys...)}, nil, []string{"Config.Keys", `"default"`}},
		{"a bad endpoint", convosphere.Config{Endpoint: "a/b", Keys: keys}, nil, []string{"Config.Endpoint", `"a/b"`}},
		{"a negative window", convosphere.Config{Window: -1, Keys: keys}, nil, []string{"Config.Window"}},
		{"negative attempts", convosphere.Config{Attempts: -1, Keys: keys}, nil, []string{"Config.Attempts"}},
		{"a store that forgets too soon", convosphere.Config{Keys: keys}, &webhook.Options{Store: short}, []string{"Options.Store", "1h0m0s", "convosphere"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := test.config.NewHandler(test.options)
			require.Error(t, err)
			require.Nil(t, h)
			for _, text := range test.says {
				require.ErrorContains(t, err, text)
			}
			require.NotContains(t, err.Error(), secret)
		})
	}
}

func TestABlankSecretBuildsNoHandler(t *testing.T) {
	for _, blank := range []string{"", " ", "\t\n"} {
		_, err := convosphere.NewHandler(blank, nil)
		require.ErrorContains(t, err, "blank")
	}
}

func TestRegisteringATypeTwicePanics(t *testing.T) {
	h := newHandler(t)
	fn := func(context.Context, *convosphere.MessageCreated) error { return nil }
	h.OnMessageCreated(fn)
	text := panicText(t, func() { h.OnMessageCreated(fn) })
	require.Equal(t, `webhook: the type "message.created" of convosphere has a callback already`, text)
}

func TestRegisteringANilCallbackPanics(t *testing.T) {
	text := panicText(t, func() { newHandler(t).OnMessageCreated(nil) })
	require.Equal(t, `webhook: the callback for convosphere events of type "message.created" is nil`, text)
}

func TestRegisteringAfterTheFirstDeliveryPanics(t *testing.T) {
	h := newHandler(t)
	send(t, h, []byte(`{}`))
	text := panicText(t, func() {
		h.OnMessageCreated(func(context.Context, *convosphere.MessageCreated) error { return nil })
	})
	require.Equal(t, `webhook: the callback for "message.created" must be registered before the first delivery`, text)
}
