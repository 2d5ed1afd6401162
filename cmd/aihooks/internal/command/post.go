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

	"github.com/aihooks/aihooks-go/cmd/aihooks/internal/vendors"
	"github.com/aihooks/aihooks-go/signature"
	webhookvendors "github.com/aihooks/aihooks-go/webhook/vendors"
	"github.com/aihooks/aihooks-go/webhook/webhooktest"
)

// An answer is what a service said to a delivery.
type response struct {
	Name       string  `json:"name,omitempty"` // of the file
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

// A letter is a delivery that is to be sent.
type outgoing struct {
	name, event, id string
	vendor          *vendors.Vendor
	request         func() (*http.Request, error) // signed when it is sent
	secret          signature.Secret
}

// shownID returns the id under which receivers show a signed request, as in [webhook.Delivery]: the vendor's own, or a
// digest where it has none.
func (l *outgoing) shownID(r *http.Request) string {
	content, err := r.GetBody()
	if err != nil {
		return ""
	}
	body, _ := io.ReadAll(content) // it is in memory
	p := &l.vendor.Profile
	authenticated := &webhookvendors.Authenticated{Header: r.Header, Body: body, Envelope: webhookvendors.Envelope{ID: idIn(body, p.Envelope.ID)}}
	if p.Scheme != nil {
		keys, keysErr := signature.NewKeyring(signature.Key{Name: "aihooks", Secret: l.secret})
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

// idIn returns the value of the first of the members that a body has, or "".
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

// hide takes the secret out of what a service says: many repeat the URL, which has EmberQA's token in it.
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

// A poster sends deliveries.
type sendPool struct {
	app     *app
	client  *http.Client
	workers int
}

func (a *app) newSendPool(timeout time.Duration, workers int) *sendPool {
	return &sendPool{a, &http.Client{
		Timeout:       timeout,
		Transport:     transport(workers),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a vendor follows none
	}, workers}
}

// deliver sends all deliveries, shows their responses, and returns an error if they are not as they should be. The document is what
// programs are given, beside the responses.
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

// send sends all deliveries and returns their responses in the same order: those it came to, when ctx ends before.
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

// few is how many responses are shown one by one. More are counted, and there is a bar while they come.
const few = 20

// progress returns a bar, which is shown to people who wait for much.
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
		a.Error += "; trust its certificate authority on this machine, or send to it as localhost"
	}
	return a
}

// withoutURL takes the URL out of an error: EmberQA's carries the token.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}

// checkStatuses returns the error for responses that are not as they should be.
func checkStatuses(responses []response, expect int) error {
	var refused, unauthorized, silent int
	var why string
	for i := range responses {
		switch a := &responses[i]; {
		case a.Status == 0:
			silent++
			why = a.Error
		case expect == 0 && !a.accepted(), expect != 0 && a.Status != expect:
			refused++
			if a.Status == http.StatusUnauthorized {
				unauthorized++
			}
		}
	}
	switch {
	case silent > 0:
		return unreachable(fmt.Errorf("%d of %d deliveries got no answer: %s", silent, len(responses), why))
	case refused > 0 && expect != 0:
		return fmt.Errorf("%d of %d deliveries were not answered %d", refused, len(responses), expect)
	case unauthorized > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted. 401 means that the service could not verify them: its log has the reason. "+
			"Compare its secret with the one given here; `aihooks listen` in its place shows each delivery with what is wrong with it", refused, len(responses))
	case refused > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted", refused, len(responses))
	default:
		return nil
	}
}

// showResponses shows few responses one by one, and many by status.
func (a *app) showResponses(responses []response) {
	if len(responses) <= few {
		var rows [][]string
		for i := range responses {
			r := &responses[i]
			first := clip(r.ID, shownIDs)
			if r.Name != "" {
				first = r.Name
			}
			said := r.Body
			if r.Error != "" {
				said = r.Error
			}
			rows = append(rows, []string{first, r.Event, statusText(r.Status), took(r.took), clip(said, 120)})
		}
		a.table([]string{"DELIVERY", "EVENT", "STATUS", "TOOK", "ANSWER"}, rows)
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
		return "no answer"
	}
	return fmt.Sprintf("%d %s", status, http.StatusText(status))
}

// checkURL refuses what is no address of a service.
func checkURL(address string) error {
	u, err := url.Parse(address)
	switch {
	case address == "":
		return usage("--url is needed: where the deliveries go")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return usage("--url must be an http or https URL")
	}
	return nil
}

// signer returns what signs a vendor's deliveries to an address.
func signer(v *vendors.Vendor, address, form string, secret signature.Secret) *webhooktest.Signer {
	s := v.Signer(address, signature.Key{Name: "aihooks", Secret: secret})
	s.Form = form
	return s
}
