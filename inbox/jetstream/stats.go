package jetstreaminbox

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/aihooks/aihooks-go/inbox"
)

// maxExamined is how many pending deliveries Stats reads in search of the oldest due one. Each may have a long body.
const maxExamined = 100

// Stats implements [inbox.Inbox]. The server does not report which deliveries run. So Running counts those that this
// process has leased, and Pending the others in the main stream, including those that run in other processes. Done is
// zero, because the streams do not contain completed and discarded deliveries.
//
// Oldest is when the delivery was stored, or was due again after a failed attempt. Times are compared by the server's
// clock. Stats reads deliveries with their bodies, the oldest first, until it finds one that is due: usually one. It also
// considers those that run in other processes. If 100 deliveries wait for their next attempt, Oldest is when the next one was stored,
// although that one may wait too.
//
// The server lists the subjects of all dead letters and deferred deliveries, and sends 7 MB for 100,000 of them. They need
// some 300 ms, and 100,000 deliveries in the main stream 2 ms.
func (b *Inbox) Stats(ctx context.Context) (inbox.Stats, error) {
	stats := inbox.Stats{Endpoints: make(map[string]inbox.Counts)}
	running, leased := b.leased()
	for i, source := range []struct {
		kind  string
		state inbox.State
	}{{kindIn, inbox.Pending}, {kindDeferred, inbox.Deferred}, {kindDeadLetter, inbox.DeadLettered}} {
		info, err := b.streams[i].Info(ctx, jetstream.WithSubjectFilter(b.subject(source.kind, all)))
		if err != nil {
			return stats, fmt.Errorf("jetstreaminbox: %w", b.explainTimeout(err))
		}
		for subject, n := range info.State.Subjects {
			vendor, endpoint, _ := b.endpointOf(subject)
			name := vendor + "/" + endpoint
			counts := stats.Endpoints[name]
			counts.Add(source.state, int(n))
			stats.Endpoints[name] = counts
		}
		if source.state == inbox.Pending {
			if stats.Oldest, err = b.oldest(ctx, info, leased); err != nil {
				return stats, b.explainTimeout(err)
			}
		}
	}
	for name, counts := range stats.Endpoints {
		counts.Running = min(running[name], counts.Pending) // a delivery may have ended meanwhile
		counts.Pending -= counts.Running
		stats.Endpoints[name] = counts
		stats.Add(inbox.Pending, counts.Pending)
		stats.Add(inbox.Running, counts.Running)
		stats.Add(inbox.Deferred, counts.Deferred)
		stats.Add(inbox.DeadLettered, counts.DeadLettered)
	}
	return stats, nil
}

// A lease is a delivery that a Run of this process leases.
type lease struct {
	position

	id       string    // its digest
	endpoint string    // vendor/endpoint
	until    time.Time // when it ends, unless it is renewed
}

// leased returns the deliveries that the Runs of this process lease: their number for each endpoint, and each by its
// sequence.
func (b *Inbox) leased() (endpoints map[string]int, leases map[uint64]lease) {
	endpoints, leases = make(map[string]int), make(map[uint64]lease)
	b.runs.Range(func(r, _ any) bool {
		for _, l := range r.(*run).current() {
			endpoints[l.endpoint]++
			leases[l.seq] = l
		}
		return true
	})
	return endpoints, leases
}

// oldest returns [inbox.Stats.Oldest].
func (b *Inbox) oldest(ctx context.Context, main *jetstream.StreamInfo, leased map[uint64]lease) (time.Time, error) {
	now := time.Now()
	var first time.Time // by the server's clock
	examined := 0
	err := each(ctx, b.mainStream(), b.subject(kindIn, all), func(m *jetstream.RawStreamMsg) (more bool, err error) {
		if !first.IsZero() && !m.Time.Before(first) {
			return false, nil
		}
		if l, ok := leased[m.Sequence]; ok && l.at.Equal(m.Time) {
			return true, nil
		}
		due := m.Time
		examined++
		if examined <= maxExamined {
			record, seq, err := b.readRecord(ctx, position{m.Sequence, m.Time})
			if err != nil {
				return false, err
			}
			if seq > 0 {
				due = record.written.Add(record.Rest)
			}
		}
		if !due.After(main.TimeStamp) && (first.IsZero() || due.Before(first)) {
			first = due
		}
		return examined <= maxExamined && !first.Equal(m.Time), nil
	})
	if err != nil || first.IsZero() {
		return time.Time{}, err
	}
	return now.Add(-main.TimeStamp.Sub(first)), nil
}
