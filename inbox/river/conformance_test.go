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
)

// rescues are the rules that wait for River to rescue something.
var rescues = map[string]bool{
	"LostDeliveryIsRetried": true, "CrashingDeliveryIsDeadLettered": true, "LateResultChangesNothing": true, "SuspectsRunOneAtATime": true,
}

func TestTheInboxKeepsTheRules(t *testing.T) {
	t.Parallel()
	dsn := postgres(t).Database(t)
	// River does not renew it: a process must be given up within that time, also on a machine that is busy.
	const lease = 12 * time.Second
	inboxtest.Run(t, inboxtest.Options{
		Lease:    lease,
		Patience: patience,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			site := open(t, setup{
				dsn:    dsn,
				schema: strings.ToLower(name),
				options: riverinbox.Options{
					Policy: p, Lease: lease, FetchCooldown: 5 * time.Millisecond, Poll: 20 * time.Millisecond,
				},
				config: river.Config{JobTimeout: lease - time.Second},
			})
			if rescues[name] {
				site.hurry()
			}
			return site.box, site.close
		},
	})
}

func TestTheInboxsOwnStoreKeepsTheRules(t *testing.T) {
	t.Parallel()
	pool := poolOf(t, postgres(t).Database(t))
	t.Cleanup(pool.Close)
	var cases atomic.Int64
	idempotencytest.Run(t, idempotencytest.Options{
		Around: atOnce,
		// Long enough for a machine that is busy to look in time.
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

// atOnce runs the cases of a suite beside one another: most of each is waiting.
func atOnce(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	f(t)
}
