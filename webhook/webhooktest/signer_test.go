package webhooktest_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

var acmeSigner = webhooktest.Signer{Profile: vendors.Profile{
	Envelope: vendors.EnvelopeNames{Type: []string{"type"}, ID: []string{"id"}, Time: []string{"at"}},
}}

func TestSignerName_WritesJSON(t *testing.T) {
	for _, id := range []string{"evt_1", "a\x7fb", "\a\v\x00", "é😀\u2028", `"\`, "<&>"} {
		for _, named := range [][]byte{acmeSigner.Name([]byte(`{"id":""}`), id), acmeSigner.Unique([]byte(`{"id":7}`), id)} {
			var body struct{ ID string }
			require.NoError(t, json.Unmarshal(named, &body), "%q: %s", id, named)
			require.Equal(t, id, body.ID)
		}
	}
}

func TestSignerStamp_KeepsNotation(t *testing.T) {
	at := time.Date(2026, 11, 26, 7, 3, 42, 123456789, time.UTC)
	for before, after := range map[string]string{
		`1795283259`:                            `1795676622`,
		`1795283259123`:                         `1795676622123`,
		`1795283259123456`:                      `1795676622123456`,
		`1795283259123456789`:                   `1795676622123456789`,
		`1795283259.25`:                         `1795676622.12`,
		`"1795283259"`:                          `"1795676622"`,
		`"1795283259123"`:                       `"1795676622123"`,
		`"1795283259.5"`:                        `"1795676622.1"`,
		`0`:                                     `1795676622`,
		`1.795e9`:                               `1795676622`,
		`"2026-01-02T03:04:05Z"`:                `"2026-11-26T07:03:42Z"`,
		`"2026-01-02T03:04:05.000Z"`:            `"2026-11-26T07:03:42.123Z"`,
		`"2026-01-02T03:04:05.000000+00:00"`:    `"2026-11-26T07:03:42.123456+00:00"`,
		`"2026-01-02T03:04:05+02:00"`:           `"2026-11-26T09:03:42+02:00"`,
		`"2026-01-02T03:04:05-0530"`:            `"2026-11-26T01:33:42-0530"`,
		`"2026-01-02 03:04:05,5+02"`:            `"2026-11-26 09:03:42,1+02"`,
		`"2026-01-02t03:04:05z"`:                `"2026-11-26t07:03:42z"`,
		`"2026-01-02T03:04Z"`:                   `"2026-11-26T07:03:42Z"`, // java.time omits seconds that are zero
		`"2026-01-02T03:04:05"`:                 `"2026-11-26T07:03:42"`,
		`"\u0032026-01-02T03:04:05.123456789Z"`: `"2026-11-26T07:03:42.123456789Z"`,
		`"Thu, 01 Jan 2026 03:04:05 GMT"`:       `"2026-11-26T07:03:42Z"`,
		`""`:                                    `"2026-11-26T07:03:42Z"`,
	} {
		stamped := acmeSigner.Stamp([]byte(`{"at":`+before+`}`), at)
		require.Equal(t, `{"at":`+after+`}`, string(stamped), before)
	}
}
