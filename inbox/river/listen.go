package riverinbox

import "github.com/riverqueue/river"

// listen reports every delivery that becomes a dead letter in this process to the policy, once the state is stored.
func (b *Inbox) listen(client *Client) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.listening {
		return
	}
	b.listening = true
	events, cancel := client.SubscribeConfig(&river.SubscribeConfig{
		ChanSize: eventBuffer, Kinds: []river.EventKind{river.EventKindJobCancelled, river.EventKindJobFailed},
	})
	go func() {
		defer cancel()
		for event := range events { // until the client is stopped
			if event.Job.Kind != Kind || !isDeadLetter(event.Job) {
				continue
			}
			b.alerter.DeadLetter(b.entryOf(event.Job))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.listening = false
	}()
}

// eventBuffer is how many dead letters may wait to be logged. Further ones are only in River's log.
const eventBuffer = 10_000
