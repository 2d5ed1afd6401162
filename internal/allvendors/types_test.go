package allvendors_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// documentedTypes has the number of event types on each vendor's page.
var documentedTypes = map[string]int{"greenflash": 12, "emberqa": 3, "convosphere": 6, "workflux": 9}

func TestOnMethods_CoverEveryDocumentedEvent(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		require.Len(t, v.Profile.Events, documentedTypes[v.Name()])
		h := v.Handler(t)
		wanted := map[string]bool{"Before": true, "OnEvent": true, "OnUnhandled": true}
		for _, kind := range v.Profile.Events {
			goType := goTypeOf(v, kind.Name())
			onMethod(t, h, goType)
			wanted["On"+goType.Name()] = true
		}
		for i := range reflect.TypeOf(h).NumMethod() {
			if name := reflect.TypeOf(h).Method(i).Name; strings.HasPrefix(name, "On") {
				require.True(t, wanted[name], "%s must be for a documented event", name)
			}
		}
	})
}

func TestOnMethods_ReceiveOnlyTheirType(t *testing.T) {
	forEachSample(t, func(t *testing.T, v *vendortest.Kit, s webhooktest.Sample) {
		h := v.Handler(t)
		var called []string
		for _, kind := range v.Profile.Events {
			register(onMethod(t, h, goTypeOf(v, kind.Name())), func(_ context.Context, e webhook.AnyEvent) error {
				require.Equal(t, reflect.TypeOf(kind.New()), reflect.TypeOf(e))
				called = append(called, kind.Name())
				return nil
			})
		}
		require.Equal(t, webhook.Handled, v.Send(t, h, v.Sample(t, s.Name)).Outcome)
		require.Equal(t, []string{s.Type}, called)
	})
}

func TestEvents_AreNamedAfterTheirType(t *testing.T) {
	names := map[string]string{"completed_action": "Completion"} // clearer than the vendor's name
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, kind := range v.Profile.Events {
			want := names[kind.Name()]
			if want == "" {
				for _, word := range strings.FieldsFunc(kind.Name(), func(r rune) bool { return r == '.' || r == '_' }) {
					want += strings.ToUpper(word[:1]) + word[1:]
				}
			}
			require.Equal(t, want, goTypeOf(v, kind.Name()).Name())
		}
	})
}

func TestEvents_EmbedEnvelopeFirst(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, kind := range v.Profile.Events {
			first := goTypeOf(v, kind.Name()).Field(0)
			require.True(t, first.Anonymous, kind.Name())
			require.Equal(t, reflect.TypeFor[webhook.Event](), first.Type, kind.Name())
			require.Equal(t, `json:"@event"`, string(first.Tag), kind.Name())
		}
	})
}

func TestFields_MatchSentNames(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, kind := range v.Profile.Events {
			for _, f := range fieldsOf(goTypeOf(v, kind.Name())) {
				sent := f.path[strings.LastIndex(f.path, ".")+1:]
				require.NotEmpty(t, sent, "%s.%s has no tag", kind.Name(), f.goName)
				require.True(t, strings.EqualFold(f.goName, strings.ReplaceAll(sent, "_", "")), "%s: %s is %q", kind.Name(), f.goName, f.path)
			}
		}
	})
}

func TestOnMethods_PanicOnInvalidRegistration(t *testing.T) {
	forEachVendor(t, func(t *testing.T, v *vendortest.Kit) {
		for _, kind := range v.Profile.Events {
			goType := goTypeOf(v, kind.Name())
			on := onMethod(t, v.Handler(t), goType)
			require.PanicsWithValue(t, fmt.Sprintf("webhook: the callback for %s events of type %q is nil", v.Name(), kind.Name()),
				func() { register(on, nil) })
			register(on, succeed)
			require.PanicsWithValue(t, fmt.Sprintf("webhook: the type %q of %s has a callback already", kind.Name(), v.Name()),
				func() { register(on, succeed) })

			served := v.Handler(t)
			v.Send(t, served, []byte(`{}`))
			require.PanicsWithValue(t, fmt.Sprintf("webhook: the callback for %q must be registered before the first delivery", kind.Name()),
				func() { register(onMethod(t, served, goType), succeed) })
		}
	})
}
