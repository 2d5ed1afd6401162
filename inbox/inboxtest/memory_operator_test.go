package inboxtest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/engine"
)

func (m *memory) List(_ context.Context, q inbox.Query) (page inbox.Page, err error) {
	if q, err = engine.CheckQuery(q); err != nil {
		return page, err
	}
	before := len(m.disk.rows) + 1
	if q.Cursor != "" {
		if before, err = strconv.Atoi(q.Cursor); err != nil {
			return page, engine.ErrCursor
		}
	}
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	rows := slices.SortedFunc(maps.Values(m.disk.rows), func(a, b *row) int { return cmp.Compare(b.id, a.id) })
	if m.fault == listsOldestFirst {
		slices.Reverse(rows)
	}
	for _, row := range rows {
		e := m.entry(row)
		if row.state == forgotten || !m.listed(&q, &e) || row.id >= before && m.fault != ignoresCursor {
			continue
		}
		if len(page.Entries) == q.Limit && m.fault != ignoresLimit {
			page.Next = strconv.Itoa(m.disk.rows[page.Entries[len(page.Entries)-1].Delivery.Keys[0]].id)
			break
		}
		page.Entries = append(page.Entries, e)
	}
	for i := range page.Entries {
		if m.fault != listsBodies {
			page.Entries[i] = engine.Listed(page.Entries[i])
		}
	}
	return page, nil
}

// listed reports whether a list has an entry.
func (m *memory) listed(q *inbox.Query, e *inbox.Entry) bool {
	f := q.Filter
	if m.fault == ignoresText {
		f.Text = ""
	}
	return f.Matches(e)
}

func (m *memory) Entry(_ context.Context, id string) (inbox.Entry, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	for _, row := range m.disk.rows {
		if e := m.entry(row); e.ID == id && row.state != forgotten {
			if m.fault == entriesHaveNoBody {
				e = engine.Listed(e)
			}
			return e, nil
		}
	}
	return inbox.Entry{}, inbox.ErrNotFound
}

func (m *memory) Pause(ctx context.Context, s inbox.Scope) error {
	if m.fault == pausesNothing {
		return nil
	}
	if m.fault == pausesTheVendor {
		s = inbox.Scope{Vendor: s.Vendor}
	}
	return m.controls.Pause(ctx, s)
}

func (m *memory) Resume(ctx context.Context, s inbox.Scope) error {
	if m.fault == resumesNothing {
		return nil
	}
	return m.controls.Resume(ctx, s)
}

func (m *memory) Pauses(ctx context.Context) ([]inbox.Pause, error) { return m.controls.Pauses(ctx) }

func (m *memory) Audit(ctx context.Context) ([]inbox.Change, error) {
	changes, err := m.controls.Audit(ctx)
	if m.fault == auditsOldestFirst {
		slices.Reverse(changes)
	}
	return changes, err
}

// audited is each with a record.
func (m *memory) audited(ctx context.Context, a inbox.Action, f inbox.Filter, do func(*row)) (int, error) {
	if m.fault == auditsNothing {
		return m.each(f, do)
	}
	if m.fault == auditsNobody {
		ctx = context.Background()
	}
	asked := f
	if f.State == inbox.Done {
		asked.State = "" // see Rerun
	}
	return m.controls.Audited(ctx, a, asked, func(begin func() error) (int, error) {
		m.disk.mu.Lock()
		rows, err := m.find(f)
		m.disk.mu.Unlock()
		if err == nil && len(rows) > 0 {
			err = begin()
		}
		if err != nil {
			return 0, err
		}
		return m.each(f, do)
	})
}

// memoryRecords implements engine.Records.
type memoryRecords struct{ *memory }

func (m memoryRecords) PutRecord(_ context.Context, key string, value []byte) error {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	m.disk.records[key] = value
	return nil
}

func (m memoryRecords) DeleteRecord(_ context.Context, key string) (bool, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	_, found := m.disk.records[key]
	delete(m.disk.records, key)
	return found, nil
}

func (m memoryRecords) ListRecords(_ context.Context, prefix string) (map[string][]byte, error) {
	m.disk.mu.Lock()
	defer m.disk.mu.Unlock()
	list := make(map[string][]byte)
	for key, value := range m.disk.records {
		if strings.HasPrefix(key, prefix) {
			list[key] = value
		}
	}
	return list, nil
}
