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
type answer struct {
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

func (r *answer) accepted() bool { return r.Status >= 200 && r.Status <= 299 }

// A letter is a delivery that is to be sent.
type letter struct {
	name, event, id string
	vendor          *vendors.Vendor
	request         func() (*http.Request, error) // signed when it is sent
	secret          signature.Secret
}

// shownID returns the id under which receivers show a signed request, as in [webhook.Delivery]: the vendor's own, or a
// digest where it has none.
func (l *letter) shownID(r *http.Request) string {
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
func (l *letter) hide(text string) string {
	secret := l.secret.Reveal()
	if secret == "" {
		return text
	}
	for _, form := range []string{secret, url.PathEscape(secret), url.QueryEscape(secret), html.EscapeString(secret)} {
		text = strings.ReplaceAll(text, form, "[secret]")
	}
	return text
}

// A poster sends letters.
type poster struct {
	app     *app
	client  *http.Client
	workers int
}

func (a *app) poster(patience time.Duration, workers int) *poster {
	return &poster{a, &http.Client{
		Timeout:       patience,
		Transport:     transport(workers),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a vendor follows none
	}, workers}
}

// deliver sends all letters, shows their answers, and returns an error if they are not as they should be. The document is what
// programs are given, beside the answers.
func (p *poster) deliver(ctx context.Context, letters []letter, expect int, document map[string]any) error {
	answers, err := p.send(ctx, letters)
	if p.app.json {
		document["answers"] = answers
		if err := p.app.writeJSON(document); err != nil {
			return err
		}
	} else if len(answers) > 0 {
		p.app.showAnswers(answers)
	}
	if err != nil {
		return err
	}
	return judge(answers, expect)
}

// send sends all letters and returns their answers in the same order: those it came to, when ctx ends before.
func (p *poster) send(ctx context.Context, letters []letter) ([]answer, error) {
	defer p.client.CloseIdleConnections()
	answers := make([]answer, len(letters))
	bar := p.app.progress(len(letters))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(p.workers, len(letters)) {
		wg.Go(func() {
			for i := range next {
				answers[i] = p.post(ctx, &letters[i])
				_ = bar.Add(1)
			}
		})
	}
	sent := 0
loop:
	for ; sent < len(letters); sent++ {
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
		return answers[:sent], fmt.Errorf("interrupted after %d of %d deliveries", sent, len(letters))
	}
	return answers, nil
}

// few is how many answers are shown one by one. More are counted, and there is a bar while they come.
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

const maxAnswer = 64 << 10

func (p *poster) post(ctx context.Context, l *letter) answer {
	a := answer{Name: l.name, Event: l.event, ID: l.id}
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
		body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer))
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

// judge returns the error for answers that are not as they should be.
func judge(answers []answer, expect int) error {
	var refused, unauthorized, silent int
	var why string
	for i := range answers {
		switch a := &answers[i]; {
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
		return unreachable(fmt.Errorf("%d of %d deliveries got no answer: %s", silent, len(answers), why))
	case refused > 0 && expect != 0:
		return fmt.Errorf("%d of %d deliveries were not answered %d", refused, len(answers), expect)
	case unauthorized > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted. 401 means that the service could not verify them: its log has the reason. "+
			"Compare its secret with the one given here; `aihooks listen` in its place shows each delivery with what is wrong with it", refused, len(answers))
	case refused > 0:
		return fmt.Errorf("%d of %d deliveries were not accepted", refused, len(answers))
	default:
		return nil
	}
}

// showAnswers shows few answers one by one, and many by status.
func (a *app) showAnswers(answers []answer) {
	if len(answers) <= few {
		var rows [][]string
		for i := range answers {
			r := &answers[i]
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
	for i := range answers {
		by[answers[i].Status] = append(by[answers[i].Status], answers[i].took)
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
