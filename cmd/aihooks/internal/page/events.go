package page

import (
	"fmt"
	"net/http"
	"time"
)

const (
	maxStreams   = 64
	minGap       = 200 * time.Millisecond // between two changes that a page is told of
	pulse        = 10 * time.Second       // so that a page notices when nothing comes any more
	writeTimeout = 10 * time.Second
)

// events tells a page that something has changed; it then asks what. So nothing is lost when the connection is, and a
// storm of deliveries costs a page five questions a second.
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
	tell := func(event, data string) bool {
		n++
		if err := control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
			s.log.WarnContext(r.Context(), "page: the server's connections have no write deadline", "error", err)
		}
		_, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", n, event, data)
		return err == nil && control.Flush() == nil
	}
	w.Header().Set("Content-Type", "text/event-stream")
	changes := s.source.Watch(r.Context())
	if _, err := fmt.Fprint(w, "retry: 1000\n"); err != nil || !tell("hello", s.version) {
		return
	}
	beat := time.NewTicker(pulse)
	defer beat.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case _, ok := <-changes:
			if !ok || !tell("change", "") {
				return
			}
			select {
			case <-time.After(minGap):
			case <-r.Context().Done():
				return
			}
		case <-beat.C:
			if !tell("pulse", "") {
				return
			}
		}
	}
}
