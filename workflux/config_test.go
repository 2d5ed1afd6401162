package workflux_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

func TestAConfigThatBreaksARuleIsAnErrorThatNamesIt(t *testing.T) {
	keys := []signature.Key{signature.NewKey("default", secret)}
	short, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: time.Hour})
	require.NoError(t, err)
	for _, test := range []struct {
		name    string
		config  workflux.Config
		options *webhook.Options
		says    []string
	}{
		{"no keys", workflux.Config{}, nil, []string{"workflux", "Config.Keys"}},
		{"a blank secret", workflux.Config{Keys: []signature.Key{signature.NewKey("k", " \n")}}, nil, []string{"Config.Keys", `"k" is blank`}},
		{"a key without a name", workflux.Config{Keys: []signature.Key{signature.NewKey("", secret)}}, nil, []string{"Config.Keys", "name"}},
		{"two keys of one name", workflux.Config{Keys: append(keys, keys...)}, nil, []string{"Config.Keys", `"default"`}},
		{"a bad endpoint", workflux.Config{Endpoint: "a/b", Keys: keys}, nil, []string{"Config.Endpoint", `"a/b"`}},
		{"a negative window", workflux.Config{Window: -1, Keys: keys}, nil, []string{"Config.Window"}},
		{"negative attempts", workflux.Config{Attempts: -1, Keys: keys}, nil, []string{"Config.Attempts"}},
		{"a store that forgets too soon", workflux.Config{Keys: keys}, &webhook.Options{Store: short}, []string{"Options.Store", "1h0m0s", "workflux"}},
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
		_, err := workflux.NewHandler(blank, nil)
		require.ErrorContains(t, err, "blank")
	}
}

func TestRegisteringATypeTwicePanics(t *testing.T) {
	h := newHandler(t)
	fn := func(context.Context, *workflux.ConversationStarted) error { return nil }
	h.OnConversationStarted(fn)
	text := panicText(t, func() { h.OnConversationStarted(fn) })
	require.Equal(t, `webhook: the type "conversation.started" of workflux has a callback already`, text)
}

func TestRegisteringANilCallbackPanics(t *testing.T) {
	text := panicText(t, func() { newHandler(t).OnConversationStarted(nil) })
	require.Equal(t, `webhook: the callback for workflux events of type "conversation.started" is nil`, text)
}

func TestRegisteringAfterTheFirstDeliveryPanics(t *testing.T) {
	h := newHandler(t)
	send(t, h, []byte(`{}`))
	text := panicText(t, func() {
		h.OnConversationStarted(func(context.Context, *workflux.ConversationStarted) error { return nil })
	})
	require.Equal(t, `webhook: the callback for "conversation.started" must be registered before the first delivery`, text)
}
