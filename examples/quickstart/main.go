// Quickstart starts a receiver for all four vendors on a free port of the loopback interface. It sends every vendor's payloads to
// the receiver, as the vendor does, and then the usual failures. It prints each delivery, the status of the response and the calls of
// the callback. It exits with 0 if all of them are as the contract says.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

const (
	secret  = "quickstart-secret-4f1e85c7" // read yours from the environment or a secret store
	maxBody = 64 << 10                     // small, so that the example can exceed it cheaply
)

func main() {
	failed, err := run(os.Stdout, casesOf)
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d rows do not match the contract", failed)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quickstart:", err)
		os.Exit(1)
	}
}

// run runs the cases of all vendors, prints a row for each, and returns the number of wrong rows.
func run(out io.Writer, casesOf func(*allvendors.Vendor) []testCase) (failed int, err error) {
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(nil)
	server.Config = webhook.NewServer("", mux)
	server.Start()
	defer server.Close()
	table, rows := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0), 0
	fmt.Fprintln(table, "VENDOR\tEVENT\tSENT\tSTATUS\tCALLBACKS")
	for _, v := range allvendors.All() {
		hook, err := v.NewHandler(secret, &webhook.Options{Logger: slog.New(slog.DiscardHandler), MaxBody: maxBody})
		if err != nil {
			return failed, err
		}
		mux.Handle("/webhooks/"+v.Name(), hook)
		mux.Handle("/webhooks/"+v.Name()+"/{token}", hook) // a vendor that does not sign
		r := &runner{sender: v.Signer(server.URL+"/webhooks/"+v.Name(), signature.NewKey("default", secret))}
		hook.OnEvent(r.callback)
		for _, c := range casesOf(&v) {
			statuses, err := r.send(&c)
			if err != nil {
				return failed, fmt.Errorf("%s: %w", v.Name(), err)
			}
			verdict := ""
			if statuses != c.want || len(r.calls) != c.callbacks {
				failed++
				verdict = "  <- NOT AS THE CONTRACT SAYS"
			}
			rows++
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s%s\n", v.Name(), r.sender.Type(c.body), c.name, statuses,
				cmp.Or(strings.Join(r.calls, "; "), "-"), verdict)
		}
	}
	fmt.Fprintf(table, "\n%d of %d rows are as the contract says.\n", rows-failed, rows)
	return failed, table.Flush()
}

// A runner has the sender and the callback of one vendor.
type runner struct {
	sender *webhooktest.Signer
	sent   int
	mu     sync.Mutex
	fail   bool     // the next callback fails
	calls  []string // of the callback, in the current case
}

// callback is what a user would write. It gets typed events, and its error decides the response.
func (r *runner) callback(_ context.Context, event webhook.AnyEvent) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := fmt.Sprintf("%s, attempt %d", strings.TrimPrefix(fmt.Sprintf("%T", event), "*"), event.Delivery().Attempt)
	if r.fail {
		r.fail = false
		r.calls = append(r.calls, call+", failed")
		return errors.New("the database is down")
	}
	r.calls = append(r.calls, call)
	return nil
}

// send sends the requests of a case, and returns the statuses of the responses.
func (r *runner) send(c *testCase) (statuses string, err error) {
	r.calls, r.fail = nil, c.failFirst
	r.sent++
	id, at := fmt.Sprintf("quickstart-%d", r.sent), time.Now().Add(c.dated)
	// WorkFlux sends no id, so the time must differ.
	body := r.sender.Name(r.sender.Stamp(c.body, at.Add(-time.Duration(r.sent)*time.Second)), id)
	responses := make([]string, max(1, c.copies))
	var all sync.WaitGroup
	for i := range responses {
		request, err := r.sender.Request(body, at, id)
		if err != nil {
			return "", err
		}
		if c.tamper != nil {
			c.tamper(request)
		}
		all.Go(func() {
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				responses[i] = err.Error()
				return
			}
			defer response.Body.Close()
			responses[i] = strconv.Itoa(response.StatusCode)
		})
		if !c.atOnce {
			all.Wait()
		}
	}
	all.Wait()
	return strings.Join(responses, " "), nil
}
