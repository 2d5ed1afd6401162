package sqliteinbox

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/internal/test/benchpair"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

// A floor is the baseline of the benchmarks: a simple hand-written writer with shared commits. One goroutine runs the
// same prepared statements, on a file with the same settings, and commits waiting writes together. It has no encoding, no
// lease renewal, no limits and no contexts.
type floor struct {
	queue chan *floorWrite
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

type floorWrite struct {
	do   func(f *floor) error
	err  error
	done chan struct{}
}

func newFloor(b *testing.B, path string) *floor {
	db, err := sql.Open("sqlite", source(path, pragmas, writePragmas))
	require.NoError(b, err)
	require.NoError(b, migrate(context.Background(), db))
	c, err := db.Conn(context.Background())
	require.NoError(b, err)
	f := &floor{queue: make(chan *floorWrite, 4096), conn: c, stmts: make(map[string]*sql.Stmt)}
	var loop sync.WaitGroup
	loop.Go(f.loop)
	b.Cleanup(func() {
		close(f.queue)
		loop.Wait()
		require.NoError(b, c.Close())
		require.NoError(b, db.Close())
	})
	return f
}

func (f *floor) stmt(query string) *sql.Stmt {
	if f.stmts[query] == nil {
		s, err := f.conn.PrepareContext(context.Background(), query)
		if err != nil {
			panic(err)
		}
		f.stmts[query] = s
	}
	return f.stmts[query]
}

func (f *floor) loop() {
	for w := range f.queue {
		batch := []*floorWrite{w}
		_, err := f.stmt("BEGIN IMMEDIATE").Exec()
		for i := 0; err == nil && i < len(batch); i++ {
			err = batch[i].do(f)
			select {
			case next, ok := <-f.queue:
				if ok {
					batch = append(batch, next)
				}
			default:
			}
		}
		if err == nil {
			_, err = f.stmt("COMMIT").Exec()
		}
		for _, w := range batch {
			w.err = err
			close(w.done)
		}
	}
}

func (f *floor) write(do func(f *floor) error) error {
	w := &floorWrite{do: do, done: make(chan struct{})}
	f.queue <- w
	<-w.done
	return w.err
}

func (f *floor) enqueue(meta string, body []byte) error {
	key := make([]byte, 16)
	_, _ = rand.Read(key)
	now := time.Now().UnixMilli()
	return f.write(func(f *floor) error {
		result, err := f.stmt(insertEntry).Exec(key, "workflux/default", "conversation.completed", hex.EncodeToString(key)+hex.EncodeToString(key), now, now)
		if err != nil {
			return err
		}
		id, err := result.LastInsertId()
		if err != nil {
			return err
		}
		_, err = f.stmt(insertBody).Exec(id, meta, body)
		return err
	})
}

// sample returns a new delivery of n bytes each time.
func sample(n int) *webhook.Delivery {
	id := idempotency.NewToken().String() + idempotency.NewToken().String()
	body := fmt.Appendf(nil, `{"event":"conversation.completed","timestamp":%q,"data":{"conversation_id":%q,"summary":"`, time.Now().UTC().Format(time.RFC3339), id)
	body = append(body, slices.Repeat([]byte("All work and no play makes Jack a dull boy. "), n/44)...)
	body = append(body, `"}}`...)
	return &webhook.Delivery{
		Vendor: "workflux", Endpoint: "default", Type: "conversation.completed", ID: id, Keys: []string{"workflux/default/content/" + id},
		ReceivedAt: time.Now().UTC(), Time: time.Now().UTC(), SignedBy: "default", Body: body,
	}
}

// stored are the numbers of deliveries in the file before the measurement: done, with their bodies.
func stored() []int {
	list := []int{1_000}
	if n, err := strconv.Atoi(os.Getenv("INBOXBENCH_STORED")); err == nil {
		list = append(list, n)
	}
	return list
}

// fillFile creates a file with n deliveries that are done. Their bodies are small, so that several such files fit into
// memory. The benchmark depends on the number of entries.
func fillFile(b *testing.B, n int) string {
	path := filepath.Join(b.TempDir(), "inbox.db")
	db, err := sql.Open("sqlite", source(path, makePragmas, pragmas)+"&_pragma=synchronous(OFF)")
	require.NoError(b, err)
	require.NoError(b, migrate(context.Background(), db))
	d := sample(256)
	meta, err := encode(d)
	require.NoError(b, err)
	for done := 0; done < n; done += 10_000 {
		tx, err := db.Begin()
		require.NoError(b, err)
		_, err = tx.Exec(`WITH RECURSIVE c(n) AS (SELECT ?1 + 1 UNION ALL SELECT n + 1 FROM c WHERE n < ?2)
			INSERT INTO aihooks_inbox (id, key, handler, type, delivery_id, received_at, state, due_at, takes, tried)
			SELECT n, randomblob(16), 'workflux/default', 'conversation.completed', lower(hex(randomblob(32))), ?3 + n, 4, ?3 + n, 1, 1 FROM c`,
			done, min(n, done+10_000), time.Now().UnixMilli())
		require.NoError(b, err)
		_, err = tx.Exec(`INSERT INTO aihooks_inbox_body SELECT id, ?3, ?4 FROM aihooks_inbox WHERE id > ?1 AND id <= ?2`,
			done, min(n, done+10_000), meta, d.Body)
		require.NoError(b, err)
		_, err = tx.Exec(`INSERT INTO aihooks_idempotency SELECT 'inbox', 'workflux/default/content/' || delivery_id, 2, randomblob(16), 1, 0, ?3 + 600000000
			FROM aihooks_inbox WHERE id > ?1 AND id <= ?2`, done, min(n, done+10_000), time.Now().UnixMilli())
		require.NoError(b, err)
		require.NoError(b, tx.Commit())
	}
	_, err = db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
	require.NoError(b, err)
	require.NoError(b, db.Close())
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	require.NoError(b, err)
	require.NoError(b, file.Sync()) // so that it does not happen during the measurement
	require.NoError(b, file.Close())
	return path
}

func openForBenchmark(b *testing.B, path string) *Inbox {
	box, err := Open(path, &Options{MaxPending: 1 << 30})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, box.Close()) })
	return box
}

// Durable acknowledgements a second: a delivery of 4 KiB is stored when Enqueue returns.
func BenchmarkEnqueue(b *testing.B) {
	for _, n := range stored() {
		ourPath, floorPath := fillFile(b, n), fillFile(b, n)
		for _, senders := range []int{1, 64} {
			b.Run(fmt.Sprintf("stored=%d/senders=%d", n, senders), func(b *testing.B) {
				box, f := openForBenchmark(b, ourPath), newFloor(b, floorPath)
				given := sample(4096)
				meta, err := encode(given)
				require.NoError(b, err)
				benchpair.Measure(b, "per_s", [2]string{"ours", "floor"}, func() float64 {
					return benchpair.PerSecond(b, senders, func() error {
						d := *given
						d.Keys = []string{"workflux/default/content/" + idempotency.NewToken().String() + idempotency.NewToken().String()}
						_, err := box.Enqueue(context.Background(), &d)
						return err
					})
				}, func() float64 {
					return benchpair.PerSecond(b, senders, func() error { return f.enqueue(meta, given.Body) })
				})
			})
		}
	}
}

// From the delivery to the beginning of its callback, in microseconds: it is stored, taken, and claimed, each durably.
func BenchmarkLatency(b *testing.B) {
	for _, n := range stored() {
		ourPath, floorPath := fillFile(b, n), fillFile(b, n)
		b.Run(fmt.Sprintf("stored=%d", n), func(b *testing.B) {
			box, f := openForBenchmark(b, ourPath), newFloor(b, floorPath)
			began, ended := make(chan time.Time, 1), make(chan struct{}, 1)
			hook, err := workflux.NewHandler("secret", &webhook.Options{Inbox: box})
			require.NoError(b, err)
			hook.OnUnhandled(func(context.Context, *webhook.Delivery) error {
				began <- time.Now()
				return nil
			})
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = box.Run(ctx, notifyingHandler{hook, ended}) })
			defer running.Wait()
			defer cancel()
			claim, complete := claimStatements()
			benchpair.Measure(b, "us", [2]string{"ours", "floor"}, func() float64 {
				return microseconds(b, func() (time.Duration, error) {
					d := sample(4096)
					start := time.Now()
					_, err := box.Enqueue(context.Background(), d)
					latency := (<-began).Sub(start)
					for <-ended; box.space.pending.Load() > 0; { // record this result before the next delivery
						time.Sleep(20 * time.Microsecond)
					}
					return latency, err
				})
			}, func() float64 {
				return microseconds(b, func() (time.Duration, error) {
					d := sample(4096)
					meta, err := encode(d)
					require.NoError(b, err)
					return f.deliver(meta, d, claim, complete)
				})
			})
		})
	}
}

func microseconds(b *testing.B, f func() (time.Duration, error)) float64 {
	var all []float64
	for began := time.Now(); time.Since(began) < benchpair.Slice; {
		d, err := f()
		if err != nil {
			b.Error(err)
			return 0
		}
		all = append(all, float64(d.Microseconds()))
	}
	return benchpair.Median(all)
}

// A notifyingHandler sends on ended when a delivery has been run.
type notifyingHandler struct {
	*workflux.Handler
	ended chan struct{}
}

func (h notifyingHandler) Redeliver(ctx context.Context, d *webhook.Delivery) webhook.Result {
	result := h.Handler.Redeliver(ctx, d)
	h.ended <- struct{}{}
	return result
}

// deliver stores, takes and claims a delivery. Only these steps are measured.
func (f *floor) deliver(meta string, d *webhook.Delivery, claim, complete string) (time.Duration, error) {
	start := time.Now()
	if err := f.enqueue(meta, d.Body); err != nil {
		return 0, err
	}
	owner, token := idempotency.NewToken(), idempotency.NewToken()
	var id, takes int64
	err := f.write(func(f *floor) error {
		now := time.Now().UnixMilli()
		var hook, eventType, deliveryID, attempts string
		var received, tried, rerun int64
		err := f.stmt(takeDue).QueryRow(owner[:], now+30_000, now, "workflux/default", 128, pending).
			Scan(&id, &hook, &eventType, &deliveryID, &received, &takes, &tried, &rerun, &attempts)
		if err != nil {
			return err
		}
		var body []byte
		return f.stmt(selectBody).QueryRow(id).Scan(&attempts, &body)
	})
	if err != nil {
		return 0, err
	}
	err = f.write(func(f *floor) error {
		var attempt int
		return f.stmt(claim).QueryRow("inbox", d.Keys[0], token[:], int64(40_000), int64(600_000)).Scan(&attempt)
	})
	latency := time.Since(start)
	if err != nil {
		return 0, err
	}
	err = f.write(func(f *floor) error {
		_, err := f.stmt(complete).Exec("inbox", d.Keys[0], token[:], int64(600_000))
		return err
	})
	if err != nil {
		return 0, err
	}
	return latency, f.write(func(f *floor) error {
		_, err := f.stmt(endEntry).Exec(done, time.Now().UnixMilli(), 0, nil, id, owner[:], takes)
		return err
	})
}
