package jetstreaminbox

import (
	"testing"

	"github.com/nats-io/nats.go"
)

// A late status belongs to an earlier request, and must not end the current one. (This module does not require testify.)
func TestALateAnswerDoesNotEndTheRequestUnderWay(t *testing.T) {
	p := &puller{inbox: "inbox", requests: 2}
	for subject, want := range map[string]bool{"inbox.1": false, "inbox.2": true} {
		ends, err := p.handleStatus(&nats.Msg{Subject: subject, Header: nats.Header{"Status": {"408"}}})
		if err != nil || ends != want {
			t.Errorf("a status on %s: ends %v, error %v", subject, ends, err)
		}
	}
}
