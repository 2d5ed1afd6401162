package webhook

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestInMemory_KnowsReadersThatNeverBlock(t *testing.T) {
	require.True(t, inMemory(new(bytes.Reader)))
	require.True(t, inMemory(new(bytes.Buffer)))
	require.True(t, inMemory(new(strings.Reader)))
	require.False(t, inMemory(http.NoBody))
}

func TestBuffer_ReadsOneByteOverTheLimit(t *testing.T) {
	body := strings.NewReader(strings.Repeat("x", 100))
	require.ErrorIs(t, new(buffer).read(body, 0, 10), errTooLarge)
	require.Equal(t, 89, body.Len())
}
