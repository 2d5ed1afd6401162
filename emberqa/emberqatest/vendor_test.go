package emberqatest_test

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/emberqa"
	"github.com/aihooks/aihooks-go/emberqa/emberqatest"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestVendorAddress_PutsTokenWhereItIsRead(t *testing.T) {
	for base, want := range map[string]string{
		"http://h":                         "http://h/TOKEN",
		"http://h/":                        "http://h/TOKEN",
		"http://h/hooks":                   "http://h/hooks/TOKEN",
		"http://h/hooks?a=1":               "http://h/hooks/TOKEN?a=1",
		"http://h/hooks/?a=1&b":            "http://h/hooks/TOKEN?a=1&b",
		"http://h?a=1":                     "http://h/TOKEN?a=1",
		"http://h/hooks#part":              "http://h/hooks/TOKEN#part",
		"http://h/hooks?a=1#part?x=":       "http://h/hooks/TOKEN?a=1#part?x=",
		"http://h#/hooks/":                 "http://h/TOKEN#/hooks/",
		"http://h/hooks?token=":            "http://h/hooks?token=TOKEN",
		"http://h/hooks?token=&a=1#part":   "http://h/hooks?token=TOKEN&a=1#part",
		"http://h/hooks?a=1&key=":          "http://h/hooks?a=1&key=TOKEN",
		"http://h/hooks?token=other":       "http://h/hooks/TOKEN?token=other",
		"http://h/hooks/TOKEN":             "http://h/hooks/TOKEN",
		"http://h/TOKEN?a=1":               "http://h/TOKEN?a=1",
		"http://h/hooks?b=&token=TOKEN&c=": "http://h/hooks?b=&token=TOKEN&c=",
	} {
		v := emberqatest.Vendor()
		require.Equal(t, want, v.Address(base, "TOKEN"), base)
	}
	v := emberqatest.Vendor()
	require.Equal(t, "http://h/a+token%25of%3Fa%23b", v.Address("http://h", "a+token%of?a#b"))
}

func TestSender_ReachesHandlerThroughQueryAndFragment(t *testing.T) {
	for _, token := range []string{"0123456789-token", "a+b %2B?c#d&e=f0123"} {
		h, err := emberqa.NewHandler(emberqa.Token(token), &webhook.Options{Logger: slog.New(slog.DiscardHandler)})
		require.NoError(t, err)
		for _, path := range []string{"/hooks", "/hooks?a=1", "/hooks#part", "/hooks?a=1#part", "/?token=", "/hooks?token=&a=1"} {
			sender := emberqatest.NewSender(t, h, token).WithPath(path)
			d := sender.Sample("red_flag")
			sender.Send(d).WantOK()
			sender.SendForged(sender.Sample("red_flag")).Want(401)
		}
	}
}
