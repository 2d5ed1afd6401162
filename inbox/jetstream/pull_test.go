package jetstreaminbox

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// A request that was held up is answered when another is under way already. (This module requires no testify.)
func TestALateAnswerDoesNotEndTheRequestUnderWay(t *testing.T) {
	p := &puller{inbox: "inbox", asked: 2}
	for subject, want := range map[string]bool{"inbox.1": false, "inbox.2": true} {
		ends, err := p.answer(&nats.Msg{Subject: subject, Header: nats.Header{"Status": {"408"}}})
		if err != nil || ends != want {
			t.Errorf("an answer to %s: ends %v, %v", subject, ends, err)
		}
	}
}
