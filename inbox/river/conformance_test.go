//go:build unix

package riverinbox_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/idempotency"
	"github.com/aihooks/aihooks-go/idempotency/idempotencytest"
	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxtest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/internal/test/pgtest"
)

// rescues are the rules that wait for River to rescue a job.
var rescues = map[string]bool{
	"LostDeliveryIsRetried": true, "CrashingDeliveryIsDeadLettered": true, "LateResultChangesNothing": true, "SuspectsRunOneAtATime": true,
}

func TestConformance_KeepsInboxRules(t *testing.T) {
	t.Parallel()
	dsn := pgtest.Shared(t).Database(t)
	// River does not renew the lease. It must be short for the tests, and long enough for a busy machine.
	const lease = 12 * time.Second
	inboxtest.Run(t, inboxtest.Options{
		Lease:    lease,
		Patience: kit.Patience,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			instance := open(t, setup{
				dsn:    dsn,
				schema: strings.ToLower(name),
				options: riverinbox.Options{
					Policy: p, Lease: lease, FetchCooldown: 5 * time.Millisecond, Poll: 100 * time.Millisecond,
				},
				config: river.Config{JobTimeout: lease - time.Second},
			})
			if rescues[name] {
				instance.rescueOften()
			}
			return instance.box, instance.close
		},
	})
}

func TestConformance_KeepsStoreRules(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, pgtest.Shared(t).Database(t))
	t.Cleanup(pool.Close)
	var cases atomic.Int64
	idempotencytest.Run(t, idempotencytest.Options{
		Around: parallel,
		// Long enough for a busy machine.
		Retention: 4 * time.Second, Lease: 1500 * time.Millisecond, Slack: time.Second,
		New: func(t testing.TB, retention time.Duration) idempotency.Store {
			box, err := riverinbox.New(pool, &riverinbox.Options{Namespace: fmt.Sprint("case-", cases.Add(1)), Retention: retention})
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, box.Close()) })
			require.NoError(t, box.Migrate(t.Context()))
			return box.Store()
		},
	})
}

// parallel runs the cases of a suite in parallel, because they mostly wait.
func parallel(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	f(t)
}
