package webhook_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/webhook"
)

// The cost of an unknown member must not grow with the number of members or fields. The test counts allocations, because
// they are the same on every machine.
func TestUnknown_CostsLittlePerMember(t *testing.T) {
	const members = 20_000
	for name, c := range map[string]struct {
		data string
		most float64 // maximum of allocations for each member
	}{
		"unknown members":    {`{` + list(members, `"Member/~%d":1`) + `}`, 8},
		"elements of a list": {`{"inners":[` + list(members, `{"Other%d":1}`) + `]}`, 17},
		"entries of a map":   {`{"parts":{` + list(members, `"p%d":{"other":1}`) + `}}`, 20},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
			var got *Wide
			wide.On(r.Handler, func(_ context.Context, e *Wide) error { got = e; return nil })
			require.Equal(t, webhook.Handled, r.process([]byte(`{"type":"wide","id":"a","data":`+c.data+`}`)).Outcome)
			require.Len(t, got.Unknown(), members)
			allocations := testing.AllocsPerRun(1, func() { got.Unknown() })
			require.Less(t, allocations/members, c.most)
		})
	}
}

// list returns n values of that format, with commas between them.
func list(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// encoding/json matches more names than those that differ in case.
func TestUnknown_MatchesNamesAsTheDecoderDoes(t *testing.T) {
	type Folded struct {
		webhook.Event `json:"@event"`
		Task          string `json:"task"`
		Under         string `json:"a_b^c"`
		Greek         string `json:"σίγμα"`
	}
	kind := webhook.NewEventType[Folded]("folded")
	r := newReceiver(t, webhook.Options{}, loose(acme().Envelope))
	var got *Folded
	kind.On(r.Handler, func(_ context.Context, e *Folded) error { got = e; return nil })
	for data, set := range map[string]bool{
		`{"TASK":"x"}`: true, `{"taſK":"x"}`: true, `{"A_B^C":"x"}`: true, `{"Σίγμα":"x"}`: true, `{"ςίγμα":"x"}`: true,
		`{"tasks":"x"}`: false, `{"a_b~c":"x"}`: false, `{"a\u007fb^c":"x"}`: false,
	} {
		got = nil
		r.process([]byte(`{"type":"folded","id":"` + digest(data) + `","data":` + data + `}`))
		require.Equal(t, set, got.Task+got.Under+got.Greek == "x", "encoding/json and %s", data)
		require.Equal(t, set, len(got.Unknown()) == 0, data)
	}
}
