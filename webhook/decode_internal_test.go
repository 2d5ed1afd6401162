package webhook

import (
	"bytes"
	"errors"
	"net/http"
	"strings"
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
	require.EqualError(t, err, "the decoder refused it with an error of type *errors.errorString")
}

func TestFieldsLogged_ClipsLongNames(t *testing.T) {
	for length, whole := range map[int]bool{200: true, 201: false} {
		name := strings.Repeat("x", length)
		line := fieldsLogged(map[string]error{name: errors.New("why")})
		require.Len(t, line, 1)
		require.Equal(t, whole, line[0] == name+": why", length)
		require.Equal(t, !whole, strings.Contains(line[0], "…"), length)
	}
}

func TestInMemory_KnowsReadersThatNeverBlock(t *testing.T) {
	require.True(t, inMemory(new(bytes.Reader)))
	require.True(t, inMemory(new(bytes.Buffer)))
	require.True(t, inMemory(new(strings.Reader)))
	require.False(t, inMemory(http.NoBody))
}
