package webhook

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

// A decoder that does not say which field it refused is asked for each, in any order.
func TestWithoutValue_FindsTheField(t *testing.T) {
	type event struct {
		Event
		A, B, C, D, E string
		Count         int
	}
	const fitting = `"A":"1","B":"2","C":"3","D":"4","E":"5","other":6`
	for range 20 {
		err := withoutValue(errors.New("refused"), []byte(`{`+fitting+`,"Count":"many"}`), new(event))
		require.EqualError(t, err, `the field "Count": it is of the kind string, which does not fit int`)
		err = withoutValue(errors.New("refused"), []byte(`{`+fitting+`,"Count":1e2}`), new(event))
		require.ErrorContains(t, err, `the field "Count": `, "it could be written as 100")
	}
	err := withoutValue(errors.New("refused"), []byte(`{`+fitting+`}`), new(event))
	require.EqualError(t, err, "the decoder returned an error of type *errors.errorString")
}
