package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/aihooks/aihooks-go/internal/allvendors"
	"github.com/aihooks/aihooks-go/signature"
	"github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// A response is how a service responded to a delivery. Its JSON names are part of the output of the tool.
type response struct {
	Name       string  `json:"name,omitempty"` // of the capture file
	Event      string  `json:"event"`
	ID         string  `json:"id,omitempty"`
	Status     int     `json:"status,omitempty"`
	Body       string  `json:"body,omitempty"`
	RetryAfter string  `json:"retry_after,omitempty"`
	TookMS     float64 `json:"took_ms"`
	Error      string  `json:"error,omitempty"`

	took time.Duration
}

func (r *response) accepted() bool { return r.Status >= 200 && r.Status <= 299 }

// An outgoing is a delivery to send.
type outgoing struct {
	name, event, id string
	vendor          *allvendors.Vendor
	request         func() (*http.Request, error) // signs with the current time
	secret          signature.Secret
}

// shownID returns the id that receivers show for a signed request: the vendor's id, or a digest if it has none. It is the same
// as in [webhook.Delivery].
func (l *outgoing) shownID(r *http.Request) string {
	content, err := r.GetBody()
	if err != nil {
		return ""
	}
	body, _ := io.ReadAll(content) // reads memory
	p := &l.vendor.Profile
	authenticated := &vendors.Authenticated{Header: r.Header, Body: body, Envelope: vendors.Envelope{ID: idIn(body, p.Envelope.ID)}}
	if p.Scheme != nil {
		keys, keysErr := signature.NewKeyring(*p.Scheme, signature.Key{Name: "aihooks", Secret: l.secret})
		verifier, err := signature.NewVerifier(*p.Scheme)
		if keysErr != nil || err != nil {
			return ""
		}
		if authenticated.Match, err = verifier.Verify(keys, r.Header, body); err != nil {
			return ""
		}
	}
	return p.DedupKeys(authenticated).ID
}

// idIn returns the value of the first of the named members that a body has, or "".
func idIn(body []byte, names []string) string {
	var members map[string]json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return ""
	}
	for _, name := range names {
		if raw, ok := members[name]; ok {
			var text string
			if json.Unmarshal(raw, &text) != nil && !strings.ContainsAny(string(raw), "{[tfn") {
				text = string(raw)
			}
			return text
		}
	}
	return ""
}

// hide replaces the secret in a text of the service. Many services repeat the URL, which contains EmberQA's token.
func (l *outgoing) hide(text string) string {
	secret := l.secret.Reveal()
	if secret == "" {
		return text
	}
	for _, form := range []string{secret, url.PathEscape(secret), url.QueryEscape(secret), html.EscapeString(secret)} {
		text = strings.ReplaceAll(text, form, "[secret]")
	}
	return text
}

// A sendPool sends deliveries by concurrent workers.
type sendPool struct {
	app     *app
	client  *http.Client
	workers int
}

func (a *app) newSendPool(timeout time.Duration, workers int) *sendPool {
	return &sendPool{a, &http.Client{
		Timeout:       timeout,
		Transport:     transport(workers),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // vendors follow no redirects
	}, workers}
}

// deliver sends all deliveries and shows their responses. It returns an error if a response is not as expected. With --json, it
// writes the document with the responses added.
func (p *sendPool) deliver(ctx context.Context, deliveries []outgoing, expect int, document map[string]any) error {
	responses, err := p.send(ctx, deliveries)
	if p.app.json {
		document["answers"] = responses
		if err := p.app.writeJSON(document); err != nil {
			return err
		}
	} else if len(responses) > 0 {
		p.app.showResponses(responses)
	}
	if err != nil {
		return err
	}
	return checkStatuses(responses, expect)
}

// send sends all deliveries and returns their responses in the same order. If ctx ends, it returns those it has sent by then.
func (p *sendPool) send(ctx context.Context, deliveries []outgoing) ([]response, error) {
	defer p.client.CloseIdleConnections()
	responses := make([]response, len(deliveries))
	bar := p.app.progress(len(deliveries))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(p.workers, len(deliveries)) {
		wg.Go(func() {
			for i := range next {
				responses[i] = p.post(ctx, &deliveries[i])
				_ = bar.Add(1)
			}
		})
	}
	sent := 0
loop:
	for ; sent < len(deliveries); sent++ {
		select {
		case next <- sent:
		case <-ctx.Done():
			break loop
		}
	}
	close(next)
	wg.Wait()
	_ = bar.Finish()
	if ctx.Err() != nil {
		return responses[:sent], fmt.Errorf("interrupted after %d of %d deliveries", sent, len(deliveries))
	}
	return responses, nil
}

// few is how many responses are listed. More are counted by status, with a progress bar while they are sent.
const few = 20

// progress returns a progress bar. It is visible only on a terminal, for more than few deliveries.
func (a *app) progress(n int) *progressbar.ProgressBar {
	w := a.Err
	if n <= few || a.json || !isTerminal(a.Err) {
		w = io.Discard
	}
	return progressbar.NewOptions(n, progressbar.OptionSetWriter(w), progressbar.OptionShowCount(),
		progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(50*time.Millisecond))
}

const maxResponse = 64 << 10

func (p *sendPool) post(ctx context.Context, l *outgoing) response {
	a := response{Name: l.name, Event: l.event, ID: l.id}
	r, err := l.request()
	if err != nil {
		a.Error = l.hide(withoutURL(err).Error())
		return a
	}
	a.ID = cmp.Or(l.shownID(r), l.id)
	began := time.Now()
	response, err := p.client.Do(r.WithContext(ctx))
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(response.Body, maxResponse))
		_ = response.Body.Close()
		a.Status, a.Body, a.RetryAfter = response.StatusCode, l.hide(string(body)), l.hide(response.Header.Get("Retry-After"))
	}
	a.took = time.Since(began)
	a.TookMS = float64(a.took.Microseconds()) / 1000
	if err != nil {
		a.Status, a.Error = 0, l.hide(withoutURL(err).Error())
	}
	if isUntrusted(err) {
		a.Error += "; trust its certificate authority on this machine, or use localhost in the URL"
	}
	return a
}

// withoutURL removes the URL from an error, because EmberQA's URL contains the token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// checkStatuses returns an error if a response is missing or does not have the expected status. If expect is 0, any 2xx is
// expected.
func checkStatuses(responses []response, expect int) error {
	var refused, unauthorized, missing int
	var why string
	for i := range responses {
		switch a := &responses[i]; {
		case a.Status == 0:
			missing++
			why = a.Error
		case expect == 0 && !a.accepted(), expect != 0 && a.Status != expect:
			refused++
			if a.Status == http.StatusUnauthorized {
				unauthorized++
			}
		}
	}
	switch {
	case missing > 0:
		return unreachable(fmt.Errorf("%d of %d deliveries got no response: %s", missing, len(responses), why))
	case refused > 0 && expect != 0:
		return fmt.Errorf("%d of %d deliveries did not get status %d", refused, len(responses), expect)
	case unauthorized > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted. 401 means that the service could not verify them, and its log has the reason. "+
			"Compare its secret with yours, or send to `aihooks listen`, which shows what is wrong with each delivery", refused, len(responses))
	case refused > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted", refused, len(responses))
	default:
		return nil
	}
}

// showResponses lists the responses, or counts them by status if there are more than few.
func (a *app) showResponses(responses []response) {
	if len(responses) <= few {
		var rows [][]string
		for i := range responses {
			r := &responses[i]
			first := clip(r.ID, shownIDs)
			if r.Name != "" {
				first = r.Name
			}
			text := r.Body
			if r.Error != "" {
				text = r.Error
			}
			rows = append(rows, []string{first, r.Event, statusText(r.Status), took(r.took), clip(text, 120)})
		}
		a.table([]string{"DELIVERY", "EVENT", "STATUS", "TOOK", "RESPONSE"}, rows)
		return
	}
	by := make(map[int][]time.Duration)
	for i := range responses {
		by[responses[i].Status] = append(by[responses[i].Status], responses[i].took)
	}
	var rows [][]string
	statuses := make([]int, 0, len(by))
	for status := range by {
		statuses = append(statuses, status)
	}
	slices.Sort(statuses)
	for _, status := range statuses {
		all := by[status]
		slices.Sort(all)
		rows = append(rows, []string{statusText(status), strconv.Itoa(len(all)), took(all[len(all)/2]), took(all[len(all)*99/100]), took(all[len(all)-1])})
	}
	a.table([]string{"STATUS", "DELIVERIES", "P50", "P99", "SLOWEST"}, rows)
}

func statusText(status int) string {
	if status == 0 {
		return "no response"
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}

// checkURL returns an error if an address is not an http or https URL.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return usage("--url is needed: set it to the endpoint of your service")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usage("--url must be an http or https URL")
	}
	return nil
}

// signer returns a signer of a vendor's deliveries to an address.
func signer(v *allvendors.Vendor, address, form string, secret signature.Secret) *webhooktest.Signer {
	s := v.Signer(address, signature.Key{Name: "aihooks", Secret: secret})
	s.Form = form
	return s
}
