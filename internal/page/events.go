package page

import (
	"fmt"
	"net/http"
	"time"
)

const (
	maxStreams   = 64
	minGap       = 200 * time.Millisecond // minimum time between two change events
	pulse        = 10 * time.Second       // interval of pulse events, by which a page notices a dead connection
	writeTimeout = 10 * time.Second
)

// events streams an event for each change, and the page then asks for the list. So a lost connection loses no data, and a flood of
// deliveries causes at most five requests a second from each page.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		http.Error(w, "Too many pages are open.", http.StatusServiceUnavailable)
		return
	}
	control := http.NewResponseController(w)
	n := 0
	send := func(event, data string) bool {
		n++
		if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			s.log.WarnContext(r.Context(), "page: the server's connections have no write deadline", "error", err)
		}
		_, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", n, event, data)
		return err == nil && control.Flush() == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would delay the events
	changes := s.source.Watch(r.Context())
	if _, err := fmt.Fprint(w, "retry: 1000\n"); err != nil || !send("hello", s.version) {
		return
	}
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case _, ok := <-changes:
			if !ok || !send("change", "") {
				return
			}
			select {
			case <-time.After(minGap):
			case <-r.Context().Done():
				return
			}
		case <-beat.C:
			if s.check(r) != nil {
				send("end", "")
				return
			}
			if !send("pulse", "") {
				return
			}
		}
	}
}
