package webhook

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRefitter_SaysWhichElementDoesNotFit(t *testing.T) {
	for raw, want := range map[string]string{
		"[1,1e30]": "element 1 of the list: the number is out of range for int", "[1.5]": "element 0 of the list: it is not a whole number",
	} {
		r := refitter{unmarshal: json.Unmarshal}
		_, misfit := r.list([]byte(raw), reflect.TypeFor[int](), "", 0)
		require.EqualError(t, misfit, want)
	}
}

func TestRefitter_RewritesOrSaysWhy(t *testing.T) {
	for _, c := range []struct {
		raw    string
		want   reflect.Type
		value  string
		misfit string
	}{
		{"8.0", reflect.TypeFor[int](), "8", ""},
		{"8.0", reflect.TypeFor[*uint64](), "8", ""},
		{"8.5", reflect.TypeFor[uint64](), "", "it is not a whole number"},
		{"8.5", reflect.TypeFor[string](), "", "it is of the kind number, which does not fit string"},
		{`"8"`, reflect.TypeFor[int](), "", "it is of the kind string, which does not fit int"},
		{`{"a":1}`, reflect.TypeFor[int](), "", "it is of the kind object, which does not fit int"},
		{`7`, reflect.TypeFor[map[string]int](), "", "it is of the kind number, which does not fit map[string]int"},
		{`{"a":1.0}`, reflect.TypeFor[map[string]int](), `{"a":1}`, ""},
		{`[1.0,2]`, reflect.TypeFor[[]int](), `[1,2]`, ""},
		{`7`, reflect.TypeFor[[]int](), "", "it is of the kind number, which does not fit []int"},
	} {
		r := refitter{unmarshal: json.Unmarshal}
		value, misfit := r.value([]byte(c.raw), c.want, "", 0)
		require.Equal(t, c.value, string(value), c.raw)
		if c.misfit != "" {
			require.EqualError(t, misfit, c.misfit)
		} else {
			require.Nil(t, misfit)
		}
	}
}

// The decoder of the members must end at an error, because it would return the same error forever.
func TestOrderedMembers_RefusesInvalidJSON(t *testing.T) {
	for _, raw := range []string{"", "[]", `{"a":1,2}`, `{"a":1,"b"}`, `{"a":1,"b":}`, `{"a":1,"b":[}`} {
		list, ok := orderedMembers([]byte(raw))
		require.False(t, ok, raw)
		require.Empty(t, list, raw)
	}
}

func TestFold_JoinsEveryCase(t *testing.T) {
	for _, names := range [][2]string{{"A", "a"}, {"Z", "z"}, {"k", "\u212a"}, {"s", "\u017f"}, {"É", "é"}} {
		require.Equal(t, fold(names[0]), fold(names[1]))
	}
	require.NotEqual(t, fold("@"), fold("`"))
	require.NotEqual(t, fold("["), fold("{"))
}
