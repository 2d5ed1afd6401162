package sqlstore

import (
	"context"
	"strconv"
	"strings"
)

// A batch answers only what is plain: a claim of a key that nobody has claimed before, a completion of a key that the token
// holds and nobody has locked. It waits for nobody's transaction but another claim's. All else is done as without
// batches, each call by itself, and so is a batch that the database has refused: then it is the fault of one, or passes.

func (s *Store) batch() {
	s.claims = &batcher{
		do: func(ctx context.Context, calls []*batchCall) (map[string]bool, error) {
			leases := array(calls, func(c *batchCall) string { return strconv.FormatInt(s.dialect.units(c.lease), 10) })
			return s.keys(ctx, s.sql.claimNew, s.namespace, keysOf(calls), tokensOf(calls), leases, s.dialect.units(s.retention))
		},
		undo: func(ctx context.Context, c *batchCall) { _ = s.Release(ctx, c.key, c.token) }, // or its lease ends
	}
	s.completions = &batcher{
		do: func(ctx context.Context, calls []*batchCall) (map[string]bool, error) {
			return s.keys(ctx, s.sql.completeHeld, s.namespace, keysOf(calls), tokensOf(calls), s.dialect.units(s.retention))
		},
		undo: func(context.Context, *batchCall) {}, // it is what the caller wanted
	}
}

// batched returns whether a batch has done what the call wants. It returns an error where nobody knows; where there is
// none and it is not done, it is to be done by itself.
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

// keys returns the keys that a statement returns.
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

// array returns PostgreSQL's text for an array, which every driver can pass on, of elements that are quoted already.
func array(calls []*batchCall, element func(*batchCall) string) string {
	var text strings.Builder
	for i, c := range calls {
		text.WriteString(map[bool]string{true: `{"`, false: `","`}[i == 0])
		text.WriteString(element(c))
	}
	text.WriteString(`"}`)
	return text.String()
}
