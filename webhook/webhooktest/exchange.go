package webhooktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// A manner is how a request is sent, beside well.
type manner struct {
	body     func(ctx context.Context, x *exchange, body []byte) io.Reader // how the body is read, if not at once
	takes    time.Duration                                                 // how long that takes
	hangUp   bool
	tampered bool
}

// An exchange is one request, on a connection of its own, and what came of it.
type exchange struct {
	inMemory bool
	called   chan struct{} // in memory only: the handler has been called
	reading  chan struct{} // likewise: it waits for the body
	returned chan struct{} // likewise
	sent     chan struct{} // the request has been sent to its last byte
	sendOnce sync.Once

	mu    sync.Mutex
	conns []net.Conn
}

var (
	errHungUp  = errors.New("the connection was dropped before the answer was read, as was meant")
	errCutOff  = errors.New("the connection was dropped in the middle of the body, as was meant")
	defaultAge = 30 * time.Second // that a vendor waits which does not say how long
)

// send sends the delivery once and returns what came of it.
func (s *Sender) send(d *Delivery, m manner) Answer {
	answer := Answer{t: s.t, about: fmt.Sprintf("%s: the delivery %s of %s", s.vendor.Profile.Name, d.ID, d.Type), handler: s.handler}
	r, err := s.request(d)
	if err != nil {
		answer.Err = err
		return answer
	}
	body, _ := io.ReadAll(r.Body) // it is in memory
	if m.tampered {
		body = append(body, ' ')
	}
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(bytes.NewReader(body)), nil, int64(len(body))
	answer.request, answer.body, answer.sentAt = r, body, time.Now()
	s.exchange(r, m, &answer)
	answer.Took = time.Since(answer.sentAt)
	return answer
}

// patience is how long the vendor waits for an answer.
func (s *Sender) patience() time.Duration {
	if within := s.vendor.Profile.RespondWithin; within > 0 {
		return within
	}
	return defaultAge
}

func (s *Sender) exchange(r *http.Request, m manner, answer *Answer) {
	x := &exchange{inMemory: s.wire != nil, called: make(chan struct{}), reading: make(chan struct{}), returned: make(chan struct{}), sent: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience()+m.takes)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return x.dial(ctx, s.wire, network, address)
		},
	}
	if s.wire == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	if m.body != nil {
		r.Body = io.NopCloser(m.body(ctx, x, answer.body)) // of no known sort, so what it yields goes out at once
	}
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(info httptrace.WroteRequestInfo) {
			if info.Err == nil {
				x.sendOnce.Do(func() { close(x.sent) })
			}
		},
	}))
	client := &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if m.hangUp {
		go x.hangUpOnceSent(ctx, cancel)
	}
	response, err := client.Do(r)
	if err == nil {
		err = answer.read(response)
	}
	began := x.close()
	transport.CloseIdleConnections()
	switch {
	case m.hangUp && x.wasSent():
		answer.forget(errHungUp)
	case errors.Is(err, errCutOff):
		answer.forget(errCutOff)
	case errors.Is(err, context.DeadlineExceeded):
		answer.forget(fmt.Errorf("there was none within %v, which is as long as the vendor waits: %w", s.patience(), quiet(err)))
		return
	case err != nil:
		answer.forget(quiet(err))
	}
	if s.wire != nil && answer.Err != nil && began && within(s.patience(), x.called) {
		within(s.patience(), x.returned) // what the handler does about it has been done
	}
}

func (x *exchange) wasSent() bool {
	select {
	case <-x.sent:
		return true
	default:
		return false
	}
}

// hangUpOnceSent drops the connection once the request has been sent, and in memory once it is being handled.
func (x *exchange) hangUpOnceSent(ctx context.Context, cancel func()) {
	defer cancel()
	defer x.close()
	waitFor(ctx, x.sent)
	if x.inMemory {
		waitFor(ctx, x.called)
	}
}

func waitFor(ctx context.Context, done <-chan struct{}) {
	select {
	case <-done:
	case <-ctx.Done():
	}
}

func (x *exchange) dial(ctx context.Context, w *wire, network, address string) (net.Conn, error) {
	var (
		conn net.Conn
		err  error
	)
	if w != nil {
		conn, err = w.dial(ctx, x)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.conns = append(x.conns, conn)
	return conn, nil
}

// close drops the connection, and reports whether there was one.
func (x *exchange) close() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, conn := range x.conns {
		_ = conn.Close() // there is nobody left to mind
	}
	return len(x.conns) > 0
}

// quiet returns an error without the URL, which may carry a credential.
func quiet(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

func (a *Answer) read(response *http.Response) error {
	body, err := io.ReadAll(response.Body)
	_ = response.Body.Close() // all of it has been read, or cannot be
	a.Status, a.Header, a.Body = response.StatusCode, response.Header, body
	if seconds, bad := strconv.Atoi(response.Header.Get("Retry-After")); bad == nil {
		a.RetryAfter = time.Duration(seconds) * time.Second
	}
	return err
}

// forget leaves the answer as one that has not been read.
func (a *Answer) forget(err error) {
	a.Status, a.Header, a.Body, a.RetryAfter, a.Err = 0, nil, nil, 0, err
}
