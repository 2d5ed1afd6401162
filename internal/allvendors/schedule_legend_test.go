package allvendors_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/internal/test/vendortest"
)

// scheduleLegend is the head of testdata/schedule.txt.
const scheduleLegend = `# How one event ends, for every vendor, each reading of its retry schedule, and what goes wrong on the way.
# TestSchedule_MatchesRecordedOutcomes writes this file with "make generate". Each line is one event:
#
# vendor, and the reading of its schedule: pages that can be read in two ways have a line for each
# fails=   how many runs of the callback fail, from the first on; "always": every run
# down=    for how many attempts, from the first on, the receiver is down: the vendor gets 502 from a proxy
# slow=    true: the callback takes longer than the response may, and goes on after it
# full=    true: the idempotency store has no capacity left
# save=    Options.DeadLetter: "nowhere" is not set, "works" returns nil, "breaks" returns an error
#
# Then the outcome of the event:
# handled          the callback succeeded, once
# dead-lettered    Options.DeadLetter has it, once
# dropped          a failure on the last attempt got the status 200, so that the vendor keeps the endpoint
# lost             it was received, and neither handled nor dead-lettered
# never received   each attempt came while the receiver was down
# logged           at least one line of level ERROR was written
# endpoint-off     the vendor disables the endpoint after this event
# [500 503 200]    the status of each attempt

`

// scheduleWord matches the words of a line: the names before "=", and the outcome.
var scheduleWord = regexp.MustCompile(`[a-z-]+=|never received|dead-lettered|[a-z]+(?:-off)?`)

func TestSchedule_LegendExplainsEveryWord(t *testing.T) {
	text, err := os.ReadFile("testdata/schedule.txt")
	require.NoError(t, err)
	body, ok := strings.CutPrefix(string(text), scheduleLegend)
	require.True(t, ok, "the file begins with the legend")
	for _, v := range vendortest.All() {
		for _, reading := range v.Schedules {
			body = strings.ReplaceAll(body, fmt.Sprintf("%-11s %-34s ", v.Name(), reading.Name), "")
		}
	}
	values := strings.NewReplacer("=true", "=", "=false", "=", "=always", "=")
	for _, word := range scheduleWord.FindAllString(values.Replace(body), -1) {
		require.Contains(t, scheduleLegend, word)
	}
}

// The documentation of the two-hour window must agree with the profiles.
func TestRetries_DocumentsOfTheWindowsAgree(t *testing.T) {
	windows := make(map[string]string)
	for _, v := range vendortest.All() {
		windows[v.Name()] = fmt.Sprintf("%.0f min", v.Profile.RetryWindow.Minutes())
	}
	require.Equal(t, map[string]string{"greenflash": "0 min", "emberqa": "1440 min", "convosphere": "31 min", "workflux": "81 min"}, windows)
	for _, file := range []string{"../../inbox/jetstream/options.go", "../../docs/inboxes.md"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		words := strings.Join(strings.Fields(strings.NewReplacer("//", " ", "|", " ").Replace(string(text))), " ")
		for _, fact := range []string{"Convosphere (31 min)", "WorkFlux (81 min)", "EmberQA asks for 24 h", "Greenflash publishes no schedule"} {
			require.Contains(t, words, fact, file)
		}
		require.NotContains(t, words, "of all vendors", file)
	}
}
