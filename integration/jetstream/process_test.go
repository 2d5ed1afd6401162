package jetstream_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite"

	"github.com/aihooks/aihooks-go/idempotency/sqlstore"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/crashtest"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
)

const (
	envAddress = "JETSTREAMTEST_ADDRESS"
	envDir     = "JETSTREAMTEST_DIR"
	envURL     = "JETSTREAMTEST_URL"
	envFile    = "JETSTREAMTEST_FILE" // of the idempotency store, which all receivers share
	envLease   = "JETSTREAMTEST_LEASE"

	// For a server in a cluster: the comma-separated cluster addresses of all members, and the index of this one.
	envRoutes = "JETSTREAMTEST_ROUTES"
	envMember = "JETSTREAMTEST_MEMBER"
)

// serve is the main function of a server process.
func serve() error {
	own, err := net.ResolveTCPAddr("tcp", os.Getenv(envAddress))
	if err != nil {
		return err
	}
	o := options(os.Getenv(envDir))
	o.Host, o.Port = own.IP.String(), own.Port
	if routes := os.Getenv(envRoutes); routes != "" {
		if err := join(o, strings.Split(routes, ","), os.Getenv(envMember)); err != nil {
			return err
		}
	}
	s, err := server.NewServer(o)
	if err != nil {
		return err
	}
	s.Start()
	terminating, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	<-terminating.Done()
	stopServer(s)
	return nil
}

// A serverProcess is a server that can be killed and paused.
type serverProcess struct {
	t       testing.TB
	address string
	dir     string
	env     []string

	mu  sync.Mutex
	cmd *exec.Cmd
}

func newServerProcess(t testing.TB, env ...string) *serverProcess {
	t.Helper()
	s := &serverProcess{t: t, address: kit.FreeAddress(t), dir: filepath.Join(t.TempDir(), "nats"), env: env}
	s.start()
	t.Cleanup(s.kill)
	return s
}

func (s *serverProcess) url() string { return "nats://" + s.address }

// start starts the server, and returns once it listens.
func (s *serverProcess) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd = kit.Role("serve", append(s.env, envAddress+"="+s.address, envDir+"="+s.dir)...)
	s.cmd.Stderr = os.Stderr
	require.NoError(s.t, kit.Start(s.cmd))
	kit.Eventually(s.t, func() bool {
		conn, err := net.Dial("tcp", s.address) //nolint:noctx // a local address
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
}

func (s *serverProcess) kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
}

// pause stops the process for that time.
func (s *serverProcess) pause(d time.Duration) {
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGSTOP))
	time.Sleep(d)
	require.NoError(s.t, s.cmd.Process.Signal(syscall.SIGCONT))
}

// receiver returns a function that returns the command of a receiver process. The URL is that of one server that syncs
// always, or of a cluster of three.
func receiver(url, file string, lease time.Duration) func() *exec.Cmd {
	return func() *exec.Cmd {
		return kit.Role("receive", envURL+"="+url, envFile+"="+file, envLease+"="+lease.String())
	}
}

const effectsTable = `CREATE TABLE IF NOT EXISTS effects (name TEXT NOT NULL)` // not unique: only CompleteTx prevents a second effect

// openFile opens the file of the idempotency store and the effects.
func openFile(ctx context.Context, path string) (*sql.DB, *sqlstore.Store, error) {
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	store, err := sqlstore.New(db, &sqlstore.Options{Dialect: sqlstore.SQLite, Namespace: "torture"})
	if err != nil {
		return nil, nil, err
	}
	if err := store.Migrate(ctx); err != nil {
		return nil, nil, err
	}
	_, err = db.ExecContext(ctx, effectsTable)
	return db, store, err
}

// receive is the main function of a receiver process.
func receive() error {
	lease, err := time.ParseDuration(os.Getenv(envLease))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	db, store, err := openFile(ctx, os.Getenv(envFile))
	if err != nil {
		return err
	}
	nc, err := nats.Connect(os.Getenv(envURL), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond), nats.RetryOnFailedConnect(true))
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return err
	}
	box, err := openWhenUp(ctx, js, &jetstreaminbox.Options{
		Store: store, ServerSyncsAlways: !strings.Contains(os.Getenv(envURL), ","), Lease: lease,
		Policy: crashtest.Policy(),
	})
	if err != nil {
		return err
	}
	r := crashtest.Receiver{
		Options: webhook.Options{Inbox: box, CallbackTimeout: 2 * time.Second, StoreTimeout: 3 * time.Second},
		Inbox:   box,
		Effect: func(ctx context.Context, name string, wrong error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }()
			if _, err := tx.ExecContext(ctx, `INSERT INTO effects VALUES (?)`, name); err != nil || wrong != nil {
				return errors.Join(err, wrong)
			}
			if err := store.CompleteTx(ctx, tx); err != nil {
				return err
			}
			return tx.Commit()
		},
		Close: func() error {
			nc.Close()
			return db.Close()
		},
	}
	return r.Serve()
}

// openWhenUp opens the inbox once the server is up.
func openWhenUp(ctx context.Context, js jetstream.JetStream, o *jetstreaminbox.Options) (*jetstreaminbox.Inbox, error) {
	for {
		try, cancel := context.WithTimeout(ctx, time.Second)
		box, err := jetstreaminbox.New(try, js, o)
		cancel()
		if err == nil || ctx.Err() != nil {
			return box, err
		}
		time.Sleep(20 * time.Millisecond)
	}
}
