package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// connections is the number of connections of a load.
const connections = 64

// A load is what a client process sends: deliveries on each connection, one after the other.
type load struct {
	Addr string
	Size int
	For  time.Duration
}

// loaded is what came of a load.
type loaded struct {
	Requests  int
	Refused   int // of the requests
	Seconds   float64
	P999, Max time.Duration
}

func (l load) run() (loaded, error) {
	text := template(l.Size)
	took := make([][]time.Duration, connections)
	refused := make([]int, connections)
	errs := make([]error, connections)
	var all sync.WaitGroup
	began := time.Now()
	for i := range connections {
		all.Go(func() { took[i], refused[i], errs[i] = l.send(text, began.Add(l.For)) })
	}
	all.Wait()
	seconds := time.Since(began).Seconds()
	for _, err := range errs {
		if err != nil {
			return loaded{}, err
		}
	}
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	n := len(sorted)
	r := loaded{Requests: n, Seconds: seconds, P999: sorted[n*999/1000], Max: sorted[n-1]}
	for _, n := range refused {
		r.Refused += n
	}
	return r, nil
}

// send sends deliveries on one connection until the time end. It returns how long each took.
func (l load) send(text string, end time.Time) (took []time.Duration, refused int, err error) {
	conn, err := net.Dial("tcp", l.Addr)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(end.Add(30 * time.Second)); err != nil {
		return nil, 0, err
	}
	s, responses, request := newSender(text), bufio.NewReader(conn), []byte(nil)
	for id := rand.Uint64(); time.Now().Before(end); id++ {
		body, signature := s.next(id)
		request = append(appendHead(request[:0], l.Addr, signature, len(body)), body...)
		began := time.Now()
		status, err := exchangeOn(conn, responses, request)
		if err != nil {
			return nil, 0, err
		}
		if status != http.StatusOK {
			refused++
		}
		took = append(took, time.Since(began))
	}
	return took, refused, nil
}

// exchangeOn sends a request and reads its response.
func exchangeOn(conn net.Conn, responses *bufio.Reader, request []byte) (status int, err error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(responses, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, err
}

// appendHead appends the head of a request.
func appendHead(b []byte, addr string, signature []byte, length int) []byte {
	return fmt.Appendf(b, "POST /webhooks HTTP/1.1\r\nHost: %s\r\nUser-Agent: bench\r\nContent-Type: application/json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n",
		addr, signatureHeader, signature, length)
}
