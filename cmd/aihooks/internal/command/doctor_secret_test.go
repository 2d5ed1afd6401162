package command

import (
	"encoding/base64"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoctorSecret_RecognizesMistakes(t *testing.T) {
	text := "a text that someone has encoded"
	for secret, want := range map[string]struct {
		result result
		says   string
	}{
		"b1946ac92492d2347c6235b4d2611184":         {resultOK, "usual form"},
		"q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRW": {resultOK, "usual form"},
		doctorSecret:                                    {resultOK, "usual form"},
		doctorSecret + "\n":                             {resultProblem, "whitespace or a line break"},
		" " + doctorSecret:                              {resultProblem, "whitespace or a line break"},
		"\u200b" + doctorSecret:                         {resultProblem, "invisible characters"},
		"\x00\x01\xff\xfe-0123456789abcdef":             {resultProblem, "decoded bytes"},
		`"` + doctorSecret + `"`:                        {resultProblem, "quotes"},
		"“" + doctorSecret + "”":                        {resultProblem, "quotes"},
		"Bearer " + doctorSecret:                        {resultProblem, "Bearer"},
		"WORKFLUX_WEBHOOK_SECRET=" + doctorSecret:       {resultProblem, "name of a variable"},
		"changeme":                                      {resultProblem, "placeholder"},
		"your_secret_here":                              {resultProblem, "placeholder"},
		"xxxxxxxxxxxxxxxxxxxx":                          {resultProblem, "placeholder"},
		"<WORKFLUX_SECRET>":                             {resultProblem, "placeholder"},
		"${WORKFLUX_WEBHOOK_SECRET}":                    {resultProblem, "placeholder"},
		"[redacted]":                                    {resultProblem, "placeholder"},
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw":        {resultWarning, "prefix"},
		"sk_live_0123456789abcdef":                      {resultWarning, "prefix"},
		base64.StdEncoding.EncodeToString([]byte(text)): {resultWarning, "base64"},
		hex.EncodeToString([]byte(text)):                {resultWarning, "hex"},
		"short-one":                                     {resultWarning, "fewer than 16"},
	} {
		f := checkSecret(t.Context(), newTestDoctor(t, "workflux", "http://127.0.0.1:1", secret))
		require.Equal(t, want.result, f.Result, "%q: %+v", secret, f)
		require.Contains(t, f.Found+" "+f.Fix, want.says, "%q", secret)
		require.Contains(t, f.Found, "WORKFLUX_WEBHOOK_SECRET")
	}
	f := checkSecret(t.Context(), newTestDoctor(t, "emberqa", "http://127.0.0.1:1", "a-token-with/a-slash"))
	require.Equal(t, resultProblem, f.Result, "a handler refuses this token")
	require.Contains(t, f.Found, "slash")
}
