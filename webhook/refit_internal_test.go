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
