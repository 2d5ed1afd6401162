package convosphere_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/convosphere"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestEveryListedTypeHasACallbackMethodOfItsName(t *testing.T) {
	kinds := convosphere.Profile().Events
	require.Len(t, kinds, 6)
	for _, kind := range kinds {
		var name strings.Builder
		for word := range strings.SplitSeq(kind.Name(), ".") {
			name.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
		require.Equal(t, name.String(), reflect.TypeOf(kind.New()).Elem().Name())
	}
	registerAll(t, newHandler(t))
}

func TestEveryEventEmbedsItsEnvelopeFirstAndUnderAnName(t *testing.T) {
	for _, kind := range convosphere.Profile().Events {
		first := reflect.TypeOf(kind.New()).Elem().Field(0)
		require.Equal(t, reflect.TypeFor[webhook.Event](), first.Type, kind.Name())
		require.Equal(t, "@event", first.Tag.Get("json"), kind.Name())
	}
}

func TestEveryFieldHasTheNameThatIsSent(t *testing.T) {
	for _, kind := range convosphere.Profile().Events {
		goType := reflect.TypeOf(kind.New()).Elem()
		for i := 1; i < goType.NumField(); i++ {
			field := goType.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			require.True(t, strings.EqualFold(field.Name, strings.ReplaceAll(name, "_", "")), "%v.%s is %q", goType, field.Name, name)
		}
	}
}
