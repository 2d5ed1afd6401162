package sqlstore

import (
	"context"
	"strconv"
	"strings"
)

// A batch does only the simple calls: a claim of a key without a row, and a completion of a key that the token holds and
// that is not locked. It waits for no transaction except another claim's. All other calls are done one by one, as without
// batches. So are the calls of a batch that the database refused, because one call may have caused the refusal.

func (s *Store) batch() {
	s.claims = &batcher{
		do: func(ctx context.Context, calls []*batchCall) (map[string]bool, error) {
			leases := array(calls, func(c *batchCall) string { return strconv.FormatInt(s.dialect.units(c.lease), 10) })
			return s.keys(ctx, s.sql.claimNew, s.namespace, keysOf(calls), tokensOf(calls), leases, s.dialect.units(s.retention))
		},
		undo: func(ctx context.Context, c *batchCall) { _ = s.Release(ctx, c.key, c.token) }, // if this fails, the lease ends
	}
	s.completions = &batcher{
		do: func(ctx context.Context, calls []*batchCall) (map[string]bool, error) {
			return s.keys(ctx, s.sql.completeHeld, s.namespace, keysOf(calls), tokensOf(calls), s.dialect.units(s.retention))
		},
		undo: func(context.Context, *batchCall) {}, // the caller wanted the completion
	}
}

// batched reports whether a batch has done the call. An error means that the outcome is unknown. If batched returns false
// without an error, the caller must do the call without a batch.
func (s *Store) batched(ctx context.Context, b *batcher, c *batchCall) (bool, error) {
	if b == nil {
		return false, nil
	}
	done, err := b.call(ctx, c)
	if err != nil && s.dialect.refused(err) {
		return false, nil
	}
	return done, err
}

// keys runs a statement and returns the keys that it returns.
func (s *Store) keys(ctx context.Context, query string, args ...any) (keys map[string]bool, err error) {
	err = s.run(ctx, func(db Conn) error {
		keys = make(map[string]bool)
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }() // as in row
		for rows.Next() {
			var key string
			if err := rows.Scan(&key); err != nil {
				return err
			}
			keys[key] = true
		}
		return rows.Err()
	})
	if err != nil {
		return nil, err
	}
	return keys, nil
}

func keysOf(calls []*batchCall) string {
	quote := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return array(calls, func(c *batchCall) string { return quote.Replace(c.key) })
}

func tokensOf(calls []*batchCall) string {
	return array(calls, func(c *batchCall) string { return `\\x` + c.token.String() })
}

// array returns a PostgreSQL array as text, because every driver accepts text. The elements must be quoted already.
func array(calls []*batchCall, element func(*batchCall) string) string {
	var text strings.Builder
	for i, c := range calls {
		text.WriteString(map[bool]string{true: `{"`, false: `","`}[i == 0])
		text.WriteString(element(c))
	}
	text.WriteString(`"}`)
	return text.String()
}
