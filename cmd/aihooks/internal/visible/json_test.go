package visible_test

import (
	"encoding/json"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/visible"
)

func TestJSON_EscapesInvisibleCharacters(t *testing.T) {
	for _, s := range []string{"", "plain", "Zoë 😤 汉字", "\u009b31m", "\u202egnp.exe", "zero\u200bwidth", "\x7f", "\U000e0041tag", "\ufeff", "a\u00a0b", "\"\\\n\t"} {
		text, err := json.MarshalIndent(map[string]string{"s": s}, "", "  ")
		require.NoError(t, err)
		out := visible.JSON(text)
		var back map[string]string
		require.NoError(t, json.Unmarshal(out, &back), "%s", out)
		require.Equal(t, s, back["s"])
		for _, c := range string(out) {
			require.True(t, c == '\n' || unicode.IsPrint(c), "%q in %s", c, out)
		}
	}
	require.Contains(t, string(visible.JSON([]byte(`{"s":"Zoë"}`))), "Zoë")
}
