package webhook

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Zero means no tag, so a duplicate of a body with the tag zero would not be compared.
func TestContentTag_IsNeverZero(t *testing.T) {
	var body [4]byte
	for i := range uint32(1 << 18) {
		binary.LittleEndian.PutUint32(body[:], i)
		if contentTag(body[:]) == 0 {
			require.NotZero(t, contentTag(body[:]), "%x", body)
		}
	}
}
