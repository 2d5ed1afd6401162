package riverinbox_test

import (
	"strings"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/aihooks/aihooks-go/inbox"
	"github.com/aihooks/aihooks-go/inbox/inboxtest"
	riverinbox "github.com/aihooks/aihooks-go/inbox/river"
)

// rescues are the rules that wait for River to rescue something.
var rescues = map[string]bool{
	"DeliveryOutlivesItsProcess": true, "DeliveryThatTakesItsProcessAlongIsBuried": true, "LateResultChangesNothing": true,
}

func TestTheInboxKeepsTheRules(t *testing.T) {
	t.Parallel()
	dsn := postgres(t).Database(t)
	const lease = 2 * time.Second
	inboxtest.Run(t, inboxtest.Options{
		Lease:    lease,
		Patience: 60 * time.Second,
		Open: func(t testing.TB, name string, p inbox.Policy) (inbox.Inbox, func()) {
			site := open(t, setup{
				dsn:    dsn,
				schema: strings.ToLower(name),
				options: riverinbox.Options{
					Policy: p, Lease: lease, FetchCooldown: 5 * time.Millisecond, Poll: 20 * time.Millisecond,
				},
				config: river.Config{JobTimeout: time.Second},
			})
			if rescues[name] {
				site.hurry()
			}
			return site.box, site.close
		},
	})
}
