package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/aihooks/aihooks-go/webhook"
)

// A printer is the callback. It prints each event after a delay, and fails the first failFirst times for each id.
type printer struct {
	failFirst int
	delay     time.Duration

	mu   sync.Mutex
	out  *json.Encoder
	seen map[string]int
}

// A line is the output of one callback.
type line struct {
	Vendor  string `json:"vendor"`
	Type    string `json:"type"`
	ID      string `json:"id"`
	Attempt int    `json:"attempt"`
	Event   any    `json:"event"`
}

func (p *printer) print(ctx context.Context, event webhook.AnyEvent) error {
	return p.printEvent(ctx, event.Delivery(), event)
}

// printAny prints a delivery of any type.
func (p *printer) printAny(ctx context.Context, d *webhook.Delivery) error {
	return p.printEvent(ctx, d, json.RawMessage(d.Body))
}

func (p *printer) printEvent(ctx context.Context, d *webhook.Delivery, event any) error {
	select {
	case <-time.After(p.delay):
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.out.Encode(line{d.Vendor, d.Type, d.ID, d.Attempt, event}); err != nil {
		return err
	}
	if p.seen == nil {
		p.seen = make(map[string]int)
	}
	id := d.Vendor + "/" + d.ID
	if p.seen[id]++; p.seen[id] <= p.failFirst {
		return fmt.Errorf("FAIL_FIRST: failure %d of %d", p.seen[id], p.failFirst)
	}
	return nil
}
