package command

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/boxes"
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

func TestDoctorStore_JudgesRetention(t *testing.T) {
	const retries = 81 * time.Minute
	for kept, want := range map[time.Duration]result{0: resultSkipped, time.Second: resultWarning, retries - 1: resultWarning, retries: resultOK} {
		require.Equal(t, want, judgeRetention(kept, retries).Result, kept)
	}
}

func TestDoctorInbox_JudgesFaults(t *testing.T) {
	light, severe := boxes.Fault{Found: "A.", Fix: "B."}, boxes.Fault{Found: "C.", Fix: "D.", Severe: true}
	require.Equal(t, resultOK, judgeFaults("right", nil, nil).Result)
	require.Equal(t, finding{Result: resultWarning, Found: "A.", Fix: "B."}, judgeFaults("right", []boxes.Fault{light}, nil))
	require.Equal(t, finding{Result: resultProblem, Found: "A. C.", Fix: "B. D."}, judgeFaults("right", []boxes.Fault{light, severe}, nil))
	require.Equal(t, resultProblem, judgeFaults("right", nil, errors.New("no")).Result)
}
