package webhook

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A stored delivery may have any type.
func TestFirstOf_KeepsNoLongType(t *testing.T) {
	var l deliveryLogger
	l.init(nil)
	require.True(t, l.firstOf(strings.Repeat("x", 257)))
	require.False(t, l.firstOf(strings.Repeat("x", 257)))
	require.True(t, l.firstOf(strings.Repeat("y", 256)))
	require.False(t, l.typesSeen[strings.Repeat("x", 257)])
	require.True(t, l.typesSeen[strings.Repeat("y", 256)])
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

func TestFirstField_RemembersABoundedNumber(t *testing.T) {
	var l deliveryLogger
	l.init(nil)
	for i := range maxFieldsSeen {
		require.True(t, l.firstField("ping", map[string]error{fmt.Sprint("/field ", i): nil}))
	}
	require.False(t, l.firstField("ping", map[string]error{"/one more": nil}))
	require.Len(t, l.fieldsSeen, maxFieldsSeen)
}
