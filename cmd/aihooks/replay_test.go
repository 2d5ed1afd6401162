package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/capture"
	"github.com/aihooks/aihooks-go/internal/allvendors"
)

// saved sends a delivery of each vendor to a listener, and returns the saved files.
func saved(t *testing.T) []string {
	t.Helper()
	j, url, folder := startListening(t, secrets())
	for _, v := range allvendors.All() {
		run(t, "send", v.Name(), v.Samples[0].Name, "--url", url+"/webhooks/"+v.Name()).is(t, 0)
		require.Equal(t, "handled", next(t, j).Outcome)
	}
	require.Equal(t, 0, j.stop(os.Interrupt))
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	require.NoError(t, err)
	require.Len(t, files, len(allvendors.All()))
	return files
}

func TestReplay_SignsAndDatesDeliveryAgain(t *testing.T) {
	for _, file := range saved(t) {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		c, err := capture.Parse(text)
		require.NoError(t, err)
		v, err := allvendors.Find(c.Vendor)
		require.NoError(t, err)
		age(t, file, 10*time.Hour) // its time would be stale
		s := newService(t, c.Vendor)
		r := run(t, "replay", file, "--url", s.URL).is(t, 0)
		require.Contains(t, r.out, "200 OK")
		require.Contains(t, r.out, filepath.Base(file))
		require.Len(t, s.seen(), 1)

		run(t, "replay", file, file, "--url", s.URL, "--new-id", "--concurrent", "2").is(t, 0)
		require.Len(t, s.seen(), 3, "with --new-id, each delivery is a new event")
		if len(v.Profile.Envelope.ID) > 0 && v.Profile.Window > 0 && v.Profile.TimeField == "" || !v.Signs() {
			run(t, "replay", file, "--url", s.URL).is(t, 0)
			require.Len(t, s.seen(), 3, "without --new-id, it is a duplicate")
		}
		run(t, "replay", file, "--url", s.URL, "--new-id", "--expect", "401").is(t, 1)
	}
}

// age makes a capture look older than it is.
func age(t *testing.T, file string, by time.Duration) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	year := time.Now().UTC().Format("2006-01-02")
	before := time.Now().UTC().Add(-by - 24*time.Hour).Format("2006-01-02")
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(string(text), year, before)), 0o600))
}

func TestReplay_TakesBodyWithVendorFlag(t *testing.T) {
	v, err := allvendors.Find("workflux")
	require.NoError(t, err)
	s := newService(t, "workflux")
	file := writeFile(t, string(v.Samples[0].Body))
	run(t, "replay", file, "--vendor", "workflux", "--url", s.URL).is(t, 0)
	require.Len(t, s.seen(), 1)
	require.Contains(t, run(t, "replay", writeFile(t, "no JSON"), "--vendor", "workflux", "--url", s.URL).is(t, 1).err, "is not JSON")
}

func TestReplay_ReportsMissingFileOrService(t *testing.T) {
	files := saved(t)
	require.Contains(t, run(t, "replay", "/does/not/exist", "--url", down(t)).is(t, 1).err, "open /does/not/exist: ")
	require.Contains(t, run(t, "replay", writeFile(t, "{}"), "--url", down(t)).is(t, 1).err, "is not a capture")
	r := run(t, "replay", files[0], files[1], "--url", down(t)+"/{vendor}").is(t, 3)
	require.Contains(t, r.err, "2 of 2 deliveries got no response")
}

func TestReplay_StopsOnInterrupt(t *testing.T) {
	files := saved(t)
	url, asked := hanging(t)
	j := begin(t, aihooks(t, secrets(), append([]string{"replay", "--url", url + "/{vendor}"}, files...)...))
	<-asked
	require.NoError(t, sendSignal(j.cmd, os.Interrupt))
	line(t, j.err, "interrupted after 1 of 4 deliveries")
	require.Equal(t, 130, j.wait())
}

func TestReplay_TakesFoldersAndPatterns(t *testing.T) {
	files := saved(t)
	folder := filepath.Dir(files[0])
	brackets := filepath.Join(t.TempDir(), "caps [1]")
	require.NoError(t, os.Rename(folder, brackets))
	_, url, _ := startListening(t, secrets(), "--no-save")
	url += "/webhooks/{vendor}"
	for pattern, count := range map[string]int{
		brackets: len(files),
		filepath.Join(filepath.Dir(brackets), "caps*", "*.json"):   len(files),
		filepath.Join(filepath.Dir(brackets), "*", "*-workflux-*"): 1,
		filepath.Join(brackets, filepath.Base(files[0])):           1,
	} {
		r := run(t, "replay", pattern, "--url", url, "--json").is(t, 0)
		require.Len(t, decode[responses](t, r.out).Responses, count, pattern)
	}
	require.Contains(t, run(t, "replay", t.TempDir(), "--url", url).is(t, 1).err, "no such file")
	require.Contains(t, run(t, "replay", filepath.Join(t.TempDir(), "*.json"), "--url", url).is(t, 1).err, "no such file")
}

func TestReplay_SendsEachVendorToItsURL(t *testing.T) {
	files := saved(t)
	r := run(t, append([]string{"replay", "--url", down(t)}, files...)...).is(t, 2)
	require.Contains(t, r.err, "deliveries of convosphere, emberqa, greenflash, workflux, but --url is one endpoint: write {vendor}")
	j, url, _ := startListening(t, secrets(), "--no-save")
	run(t, append([]string{"replay", "--url", url + "/{vendor}"}, files...)...).is(t, 0)
	for range files {
		require.Equal(t, "handled", next(t, j).Outcome)
	}
}

func TestExplain_TakesVendorOfCapture(t *testing.T) {
	for _, file := range saved(t) {
		if strings.Contains(file, "-emberqa-") {
			require.Contains(t, run(t, "explain", "--capture", file).is(t, 2).err, "a capture has neither the URL")
			continue
		}
		require.Contains(t, run(t, "explain", "--capture", file).is(t, 0).out, "Nothing is wrong with it")
	}
	require.Contains(t, run(t, "explain").is(t, 2).err, "a VENDOR is needed")
	require.Contains(t, run(t, "explain", "--capture", writeFile(t, `{"vendor":"acme"}`)).is(t, 1).err, `unknown vendor "acme"`)
}
