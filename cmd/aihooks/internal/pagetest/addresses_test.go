package pagetest

import (
	"bufio"
	"context"
	"io"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/command"
	sqliteinbox "github.com/aihooks/aihooks-go/inbox/sqlite"
)

// The tool prints addresses for a page on all addresses of the machine. The browser has no locks on those of the network.
func TestPage_OpensOnPrintedAddresses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "inbox.db")
	box, err := sqliteinbox.Open(file, &sqliteinbox.Options{MinFree: -1})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, box.Close()) })
	fill(t, box, "dlv", 3)
	read, write := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		env := func(string) (string, bool) { return "", false }
		ended <- command.Run(ctx, command.Terminal{In: strings.NewReader(""), Out: io.Discard, Err: write, Env: env}, []string{"inbox", "--web", "--web-addr", ":0", "--from", file})
		_ = write.Close()
	}()
	t.Cleanup(func() { // after the tabs have been checked
		cancel()
		require.Zero(t, <-ended)
	})
	var printed []string
	lines := bufio.NewScanner(read)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
		if _, address, found := strings.Cut(lines.Text(), "page: "); found {
			printed = append(printed, address)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	require.NotEmpty(t, printed)
	hosts := []string{"localhost"}
	if slices.Contains(ownAddresses(), "::1") {
		hosts = append(hosts, "[::1]")
	}
	for _, host := range hosts {
		u, err := url.Parse(printed[0])
		require.NoError(t, err)
		u.Host = host + ":" + u.Port()
		printed = append(printed, u.String())
	}
	for _, address := range printed {
		t.Log(address)
		b := newTab(t, desktop)
		b.expect("Cross-Origin-Opener-Policy header has been ignored") // without https, on addresses of the network
		b.open(address)
		b.until(isLive + " && " + rows(3))
		b.click(".row")
		b.until(shows("Handled") + ` || ` + shows("Done"))
	}
}
