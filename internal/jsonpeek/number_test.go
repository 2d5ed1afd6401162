package jsonpeek_test

import (
	"encoding/json"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/jsonpeek"
)

func TestDecimal_ReadsEveryNotation(t *testing.T) {
	for raw, want := range map[string][2]string{
		"0": {"0"}, "-0": {"0"}, "0.0": {"0"}, "-0e5": {"0"}, "0e999": {"0"}, "0.000e-3": {"0"},
		"8": {"8"}, "8.0": {"8"}, "8.000": {"8"}, "8e0": {"8"}, "8E+0": {"8"}, "80e-1": {"8"}, "0.8e1": {"8"}, "800.00e-2": {"8"},
		"-8.0": {"-8"}, "-80e-1": {"-8"}, "1e3": {"1000"}, "1.5e1": {"15"}, "100": {"100"}, "1.00e1": {"10"},
		"8.5": {"8", "5"}, "85e-1": {"8", "5"}, "0.5": {"0", "5"}, "-0.5": {"-0", "5"}, "5e-3": {"0", "005"}, "1.25e1": {"12", "5"},
		"9007199254740993.0": {"9007199254740993"}, "9223372036854775807e0": {"9223372036854775807"},
	} {
		whole, fraction, ok := jsonpeek.Decimal([]byte(raw))
		require.True(t, ok, raw)
		require.Equal(t, want, [2]string{whole, fraction}, raw)
	}
	for _, raw := range []string{
		"", "-", "+8", "08", "8.", ".8", "8e", "8 ", " 8", `"8"`, "null", "true", "0x8", "1_000", "1e1001", "1e-1001",
		"1e99999999999999999999", "NaN", "8e0.5",
	} {
		_, _, ok := jsonpeek.Decimal([]byte(raw))
		require.False(t, ok, raw)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, raw := range []string{"8", "-80e-1", "8.5", "0.000", "1e400", "1e1001", "-0"} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		whole, fraction, ok := jsonpeek.Decimal([]byte(raw))
		if !ok {
			return
		}
		require.True(t, json.Valid([]byte(raw)))
		text := whole
		if fraction != "" {
			text += "." + fraction
		}
		require.True(t, json.Valid([]byte(text)), text)
		want, _ := new(big.Rat).SetString(raw)
		got, _ := new(big.Rat).SetString(text)
		require.Zero(t, want.Cmp(got))
		require.Equal(t, want.IsInt(), fraction == "")
	})
}
