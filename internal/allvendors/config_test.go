package allvendors_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
)

// windows has the default maximum age of a delivery. A vendor that signs no time is not in it.
var windows = map[string]time.Duration{"greenflash": 5 * time.Minute, "convosphere": time.Hour, "workflux": 2 * time.Hour}

func TestConfig_RefusesInvalidValues(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		keys := []signature.Key{v.Key()}
		field, inKeys := "Config.Keys", "Config.Keys"
		if v.Profile.Scheme == nil {
			field, inKeys = "Config.Credentials", "credential"
		}
		for _, test := range []struct {
			name   string
			config vendortest.Config
			says   []string
		}{
			{"no keys", vendortest.Config{}, []string{v.Name(), field}},
			{"a blank secret", vendortest.Config{Keys: []signature.Key{signature.NewKey("k", " \n")}}, []string{v.Name(), inKeys, "blank", `"k"`}},
			{"a blank secret among others", vendortest.Config{Keys: append(keys, signature.NewKey("2", ""))}, []string{v.Name(), inKeys, "blank", `"2"`}},
			{"a key without a name", vendortest.Config{Keys: []signature.Key{signature.NewKey("", vendortest.Secret)}}, []string{v.Name(), inKeys, "needs a name"}},
			{"a key with a blank name", vendortest.Config{Keys: []signature.Key{signature.NewKey(" ", vendortest.Secret)}}, []string{v.Name(), inKeys, "needs a name"}},
			{"two keys of one name", vendortest.Config{Keys: append(keys, keys...)}, []string{v.Name(), inKeys, `the name "default"`}},
			{"a bad endpoint", vendortest.Config{Endpoint: "a/b", Keys: keys}, []string{"Config.Endpoint", `"a/b"`}},
			{"an endpoint with a space", vendortest.Config{Endpoint: "a b", Keys: keys}, []string{"Config.Endpoint", `"a b"`}},
			{"negative attempts", vendortest.Config{Attempts: -1, Keys: keys}, []string{"Config.Attempts"}},
			{"a negative window", vendortest.Config{Window: -1, Keys: keys}, []string{"Config.Window"}},
			{"a window past the store", vendortest.Config{Window: 26 * time.Hour, Keys: keys}, []string{"Options.Store", v.Name()}},
		} {
			if test.config.Window != 0 && v.Profile.Window == 0 {
				continue // the vendor's Config has no window
			}
			t.Run(test.name, func(t *testing.T) {
				h, err := v.Configure(test.config, nil)
				require.Error(t, err)
				require.Nil(t, h)
				for _, text := range test.says {
					require.ErrorContains(t, err, text)
				}
				require.NotContains(t, err.Error(), vendortest.Secret)
			})
		}
	})
}

func TestNewHandler_RefusesBlankSecret(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, blank := range []string{"", " ", "\t\n"} {
			h, err := v.NewHandler(blank, quiet())
			require.ErrorContains(t, err, "blank")
			require.Nil(t, h)
		}
		_, err := v.NewHandler(vendortest.Secret, quiet())
		require.NoError(t, err)
	})
}

func TestConfig_RefusesShortStoreRetention(t *testing.T) {
	needed := map[string]time.Duration{ // includes 5 min for clock skew, if there is a window
		"greenflash":  10 * time.Minute,
		"emberqa":     24 * time.Hour,
		"convosphere": time.Hour + 5*time.Minute,
		"workflux":    2*time.Hour + 5*time.Minute,
	}
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		storeFor := func(retention time.Duration) *webhook.Options {
			store, err := idempotency.NewMemory(&idempotency.MemoryOptions{Retention: retention})
			require.NoError(t, err)
			o := quiet()
			o.Store = store
			return o
		}
		tooShort := needed[v.Name()] - time.Second
		h, err := v.New(storeFor(tooShort))
		require.Error(t, err)
		require.Nil(t, h)
		for _, text := range []string{"Options.Store", tooShort.String(), v.Name()} {
			require.ErrorContains(t, err, text)
		}
		require.NotContains(t, err.Error(), vendortest.Secret)
		_, err = v.New(storeFor(needed[v.Name()]))
		require.NoError(t, err)
	})
}
