package command

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
	"github.com/aihooks/aihooks-go/webhook"
)

func TestDoctorInbox_JudgesOldestEntry(t *testing.T) {
	now := time.Now()
	for due, want := range map[time.Duration]result{
		time.Second: resultOK, dueWarning: resultWarning, dueProblem - time.Second: resultWarning, dueProblem: resultProblem,
	} {
		f := judgeOldest(now.Add(-due), now)
		require.Equal(t, want, f.Result, due)
		require.Contains(t, f.Found, due.String())
	}
	require.Equal(t, resultOK, judgeOldest(time.Time{}, now).Result)
}

func TestDoctorInbox_JudgesCapacity(t *testing.T) {
	full := fmt.Errorf("the disk has 7 bytes free: %w", webhook.ErrInboxFull)
	require.Equal(t, resultOK, judgeCapacity(nil).Result)
	require.Equal(t, resultSkipped, judgeCapacity(sqliteinbox.ErrReadOnly).Result)
	require.Contains(t, judgeCapacity(full).Found, "7 bytes free")
	for _, err := range []error{full, errors.New("the file was moved")} {
		require.Equal(t, resultProblem, judgeCapacity(err).Result)
	}
}
