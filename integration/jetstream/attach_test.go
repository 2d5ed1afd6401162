package jetstream_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/inbox"
	jetstreaminbox "github.com/aihooks/aihooks-go/inbox/jetstream"
	"github.com/aihooks/aihooks-go/internal/test/kit"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/workflux"
)

func TestAttach_NeedsAnInbox(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	_, err := jetstreaminbox.Attach(t.Context(), js, "")
	require.ErrorIs(t, err, jetstream.ErrStreamNotFound)
	require.ErrorContains(t, err, "there is no inbox AIHOOKS: stream AIHOOKS does not exist")
	names := js.StreamNames(t.Context())
	for name := range names.Name() {
		require.Fail(t, "it must create nothing", name)
	}
	require.NoError(t, names.Err())
	open(t, js, jetstreaminbox.Options{Name: "OTHER"})
	_, err = jetstreaminbox.Attach(t.Context(), js, "OTHER")
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), "OTHER_DEADLETTERS"))
	_, err = jetstreaminbox.Attach(t.Context(), js, "OTHER")
	require.ErrorContains(t, err, "stream OTHER_DEADLETTERS does not exist")
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER_DEADLETTERS", Subjects: []string{"theirs.>"}})
	require.NoError(t, err)
	_, err = jetstreaminbox.Attach(t.Context(), js, "OTHER")
	require.ErrorContains(t, err, `must include "OTHER.deadletter.>"`)
	_, err = jetstreaminbox.Attach(t.Context(), js, "a.b")
	require.ErrorContains(t, err, `Options.Name ("a.b")`)
	_, err = jetstreaminbox.Attach(t.Context(), nil, "")
	require.ErrorContains(t, err, "Attach")
}

// New refuses these streams, and a tool must show what they have.
func TestAttach_OpensUnsafeStreams(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	for name, subject := range map[string][]string{
		"AIHOOKS": {"AIHOOKS.in.>"}, "AIHOOKS_DEFERRED": {"AIHOOKS.deferred.>", "AIHOOKS.attempts.>"}, "AIHOOKS_DEADLETTERS": {"AIHOOKS.deadletter.>"},
	} {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: name, Subjects: subject, Storage: jetstream.MemoryStorage, AllowDirect: true})
		require.NoError(t, err)
	}
	_, err := jetstreaminbox.New(t.Context(), js, &jetstreaminbox.Options{Store: memory(t)})
	require.ErrorContains(t, err, "is refused")
	publishStored(t, js, "deadletter", "default", 3, []byte("{}"))
	box, err := jetstreaminbox.Attach(t.Context(), js, "")
	require.NoError(t, err)
	ids, _ := listAll(t, box, inbox.Query{Limit: 2})
	require.Len(t, ids, 3)
	s, err := js.Stream(t.Context(), "AIHOOKS_DEFERRED")
	require.NoError(t, err)
	require.Len(t, s.CachedInfo().Config.Subjects, 2, "it must change no stream")
	_, err = box.Discard(t.Context(), inbox.Filter{All: true})
	require.ErrorContains(t, err, "needs the subject AIHOOKS.record.>")
	ids, _ = listAll(t, box, inbox.Query{})
	require.Len(t, ids, 3, "what cannot be recorded must not be done")
}

func TestAttach_StoresAndRunsNothing(t *testing.T) {
	t.Parallel()
	js := dial(t, newServer(t).ClientURL())
	open(t, js, jetstreaminbox.Options{})
	box, err := jetstreaminbox.Attach(t.Context(), js, "")
	require.NoError(t, err)
	const says = "an inbox that Attach has opened cannot store or run deliveries; open it with New"
	_, err = box.Enqueue(t.Context(), newDelivery("a"))
	require.ErrorContains(t, err, says)
	require.True(t, empty(t, js))
	hook, err := workflux.NewHandler(secret, nil)
	require.NoError(t, err)
	require.ErrorContains(t, box.Run(t.Context(), hook), says)
	_, err = workflux.NewHandler(secret, &webhook.Options{Inbox: box, Store: memory(t)})
	require.ErrorContains(t, err, says)
	require.ErrorContains(t, box.Ready(t.Context()), says)
	require.NoError(t, box.Shutdown(t.Context()))
}

// attachPermissions returns the two lists of permissions in the documentation of Attach.
func attachPermissions(t *testing.T) (reads, changes []permission) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "inbox", "jetstream", "attach.go"))
	require.NoError(t, err)
	first, second, ok := strings.Cut(string(text), "It needs these in addition to")
	require.True(t, ok)
	return permissionsIn(t, first), permissionsIn(t, second)
}

// useAttached calls every method that only reads. It returns the errors.
func useAttached(t *testing.T, js jetstream.JetStream) error {
	t.Helper()
	box, err := jetstreaminbox.Attach(t.Context(), js, "")
	if err != nil {
		return err
	}
	page, err := box.List(t.Context(), inbox.Query{})
	if err != nil {
		return err
	}
	require.Len(t, page.Entries, 4)
	for _, e := range page.Entries {
		if _, err := box.Entry(t.Context(), e.ID); err != nil {
			return err
		}
	}
	if _, err := box.Stats(t.Context()); err != nil {
		return err
	}
	if _, err := box.Pauses(t.Context()); err != nil {
		return err
	}
	if _, err := box.Audit(t.Context()); err != nil {
		return err
	}
	for _, err := range box.DeadLetters(t.Context(), inbox.Filter{All: true}) {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestPermissions_SufficeForTools(t *testing.T) {
	t.Parallel()
	reads, changes := attachPermissions(t)
	fill := func(admin jetstream.JetStream) {
		box := open(t, admin, jetstreaminbox.Options{})
		publishStored(t, admin, "deadletter", "default", 2, []byte("{}"))
		publishStored(t, admin, "deferred", "default", 1, []byte("{}"))
		publishStored(t, admin, "in", "default", 1, []byte("{}"))
		require.NoError(t, box.Pause(t.Context(), inbox.Scope{Vendor: "workflux"}))
	}
	t.Run("Read", func(t *testing.T) {
		t.Parallel()
		admin, user := limited(t, reads, requestTimeout)
		fill(admin)
		require.NoError(t, useAttached(t, user))
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
		box, err := jetstreaminbox.Attach(t.Context(), user, "")
		require.NoError(t, err)
		for _, change := range []func(ctx context.Context) error{
			func(ctx context.Context) error { return box.Pause(ctx, inbox.Scope{Vendor: "acme"}) },
			func(ctx context.Context) error {
				_, err := box.Discard(ctx, inbox.Filter{All: true})
				return err
			},
		} {
			kit.Eventually(t, func() bool { // the server never responds, and a busy machine may report the violation later
				ctx, cancel := context.WithTimeout(t.Context(), forbiddenTimeouts[0])
				defer cancel()
				err = change(ctx)
				require.Error(t, err)
				return errors.Is(err, nats.ErrPermissionViolation)
			})
			require.ErrorContains(t, err, "AIHOOKS.record.")
		}
	})
	t.Run("Change", func(t *testing.T) {
		t.Parallel()
		admin, user := limited(t, slices.Concat(reads, changes), requestTimeout)
		fill(admin)
		box, err := jetstreaminbox.Attach(t.Context(), user, "")
		require.NoError(t, err)
		page, err := box.List(t.Context(), inbox.Query{Filter: inbox.Filter{State: inbox.DeadLettered}})
		require.NoError(t, err)
		_, err = box.Retry(t.Context(), inbox.Filter{ID: page.Entries[0].ID})
		require.NoError(t, err)
		_, err = box.Discard(t.Context(), inbox.Filter{All: true})
		require.NoError(t, err)
		_, err = box.Discard(t.Context(), inbox.Filter{State: inbox.Deferred, All: true})
		require.NoError(t, err)
		require.NoError(t, box.Resume(t.Context(), inbox.Scope{Vendor: "workflux"}))
		audit, err := box.Audit(t.Context())
		require.NoError(t, err)
		require.Len(t, audit, 5)
		require.NotErrorIs(t, user.Conn().LastError(), nats.ErrPermissionViolation)
	})
	for i, missing := range reads {
		t.Run("Without "+missing.subject, func(t *testing.T) {
			t.Parallel()
			var err error
			for _, timeout := range forbiddenTimeouts {
				admin, user := limited(t, slices.Delete(slices.Clone(reads), i, i+1), timeout)
				fill(admin)
				if err = useAttached(t, user); errors.Is(err, nats.ErrPermissionViolation) {
					break
				}
			}
			require.ErrorIs(t, err, nats.ErrPermissionViolation)
		})
	}
}
