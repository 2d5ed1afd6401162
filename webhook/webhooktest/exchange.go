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

// A sendMode says how a request differs from a normal one. The zero value is a normal request.
type sendMode struct {
	body     func(ctx context.Context, x *roundTrip, body []byte) io.Reader // returns the body to send; nil sends it at once
	takes    time.Duration                                                  // the time that body takes
	hangUp   bool
	tampered bool
}

// A roundTrip is one request on a separate connection.
type roundTrip struct {
	inMemory bool
	called   chan struct{} // in memory only: closed once the handler is called
	reading  chan struct{} // in memory only: closed once the handler reads the body
	returned chan struct{} // in memory only: closed once the handler has returned
	sent     chan struct{} // closed once the last byte of the request is sent
	sendOnce sync.Once

	mu    sync.Mutex
	conns []net.Conn
}

var (
	errHungUp = errors.New("the sender dropped the connection before it read the response, as intended")
	errCutOff = errors.New("the sender dropped the connection in the middle of the body, as intended")
)

// defaultPatience is the timeout of a vendor that does not document one.
const defaultPatience = 30 * time.Second

// send sends the delivery once.
func (s *Sender) send(d *Delivery, m sendMode) Response {
	response := Response{t: s.t, about: fmt.Sprintf("%s: the delivery %s of %s", s.vendor.Profile.Name, d.ID, d.Type), handler: s.handler}
	r, err := s.request(d)
	if err != nil {
		response.Err = err
		return response
	}
	body, _ := io.ReadAll(r.Body) // no error: it is in memory
	if m.tampered {
		body = append(body, ' ')
	}
	r.Body, r.GetBody, r.ContentLength = io.NopCloser(bytes.NewReader(body)), nil, int64(len(body))
	response.request, response.body, response.sentAt = r, body, time.Now()
	s.roundTrip(r, m, &response)
	response.Took = time.Since(response.sentAt)
	return response
}

// patience returns how long the vendor waits for a response.
func (s *Sender) patience() time.Duration {
	if within := s.vendor.Profile.RespondWithin; within > 0 {
		return within
	}
	return defaultPatience
}

func (s *Sender) roundTrip(r *http.Request, m sendMode, response *Response) {
	x := &roundTrip{inMemory: s.mem != nil, called: make(chan struct{}), reading: make(chan struct{}), returned: make(chan struct{}), sent: make(chan struct{})}
	ctx, cancel := context.WithTimeout(context.Background(), s.patience()+m.takes)
	defer cancel()
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return x.dial(ctx, s.mem, network, address)
		},
	}
	if s.mem == nil {
		transport.Proxy = http.ProxyFromEnvironment
	}
	if m.body != nil {
		r.Body = io.NopCloser(m.body(ctx, x, response.body)) // net/http does not know the type, so it sends each piece at once
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
	received, err := client.Do(r)
	if err == nil {
		err = response.read(received)
	}
	began := x.close()
	transport.CloseIdleConnections()
	switch {
	case m.hangUp && x.wasSent():
		response.forget(errHungUp)
	case errors.Is(err, errCutOff):
		response.forget(errCutOff)
	case errors.Is(err, context.DeadlineExceeded):
		response.forget(fmt.Errorf("the vendor waits for %v only: %w", s.patience(), quiet(err)))
		return
	case err != nil:
		response.forget(quiet(err))
	}
	if s.mem != nil && response.Err != nil && began && within(s.patience(), x.called) {
		within(s.patience(), x.returned) // the handler has reacted to the dropped connection
	}
}

func (x *roundTrip) wasSent() bool {
	select {
	case <-x.sent:
		return true
	default:
		return false
	}
}

// hangUpOnceSent drops the connection once the request is sent. In memory it waits until the handler is called.
func (x *roundTrip) hangUpOnceSent(ctx context.Context, cancel func()) {
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

func (x *roundTrip) dial(ctx context.Context, w *memServer, network, address string) (net.Conn, error) {
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
func (x *roundTrip) close() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, conn := range x.conns {
		_ = conn.Close() // the connection is no longer used
	}
	return len(x.conns) > 0
}

// quiet removes the URL from an error, because the URL may have a credential.
func quiet(err error) error {
	var withURL *url.Error
	if errors.As(err, &withURL) {
		return withURL.Err
	}
	return err
}

func (a *Response) read(received *http.Response) error {
	body, err := io.ReadAll(received.Body)
	_ = received.Body.Close() // it has no error after ReadAll that matters
	a.Status, a.Header, a.Body = received.StatusCode, received.Header, body
	if seconds, bad := strconv.Atoi(received.Header.Get("Retry-After")); bad == nil {
		a.RetryAfter = time.Duration(seconds) * time.Second
	}
	return err
}

// forget clears the response and sets its error.
func (a *Response) forget(err error) {
	a.Status, a.Header, a.Body, a.RetryAfter, a.Err = 0, nil, nil, 0, err
}
