package webhook_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

func TestDeliveryJSON_HasTextAsText(t *testing.T) {
	for name, c := range map[string]struct {
		body   []byte
		member string
		want   any
	}{
		"text":            {[]byte(`{"text":"Zoë <3"}`), "body", `{"text":"Zoë <3"}`},
		"separators":      {[]byte("a\u2028b\r\n\t\x00\x7f"), "body", "a\u2028b\r\n\t\x00\x7f"},
		"replacement":     {[]byte("a\ufffdb"), "body", "a\ufffdb"},
		"empty":           {[]byte{}, "body", ""},
		"no UTF-8":        {[]byte("\xff\xfe"), "body_base64", "//4="},
		"cut-off text":    {[]byte("Zo\xc3"), "body_base64", "Wm/D"},
		"lone surrogates": {[]byte("\xed\xa0\x80"), "body_base64", "7aCA"},
		"purged":          {nil, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := webhook.Delivery{ID: "a", Body: c.body}
			for what, v := range map[string]any{"value": d, "pointer": &d} {
				b, err := json.Marshal(v)
				require.NoError(t, err)
				var members map[string]any
				require.NoError(t, json.Unmarshal(b, &members))
				for _, member := range []string{"body", "body_base64"} {
					if member == c.member {
						require.Equal(t, c.want, members[member], what)
					} else {
						require.NotContains(t, members, member, what)
					}
				}
				var got webhook.Delivery
				require.NoError(t, json.Unmarshal(b, &got))
				require.Equal(t, d, got, "byte for byte")
			}
		})
	}
}

func TestDeliveryJSON_RefusesTwoBodies(t *testing.T) {
	for _, text := range []string{`{"body":"a","body_base64":"YQ=="}`, `{"body":1}`, `{"body_base64":"?"}`} {
		require.Error(t, json.Unmarshal([]byte(text), new(webhook.Delivery)), text)
	}
	got := webhook.Delivery{Body: []byte("of another delivery")}
	require.NoError(t, json.Unmarshal([]byte(`{"id":"a"}`), &got))
	require.Nil(t, got.Body)
}
