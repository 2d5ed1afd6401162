package page

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"strings"
)

// Options are the options of [New]. Token is required. The zero value of any other field means its default.
type Options struct {
	// Hosts are the allowed values of a request's Host: names or addresses. "box.example" allows any port, and
	// "box.example:9000" only that port. localhost, *.localhost and all IP addresses are always allowed with the listener's
	// port. For any other Host, the status is 403.
	Hosts []string

	// Token is what each visitor must send once, as ?token= in the page's URL. It keeps out other users of this machine, who
	// can also reach a loopback address. New makes up a path, and a cookie for that path then contains the token. It must have
	// at least 16 characters, and only letters, digits, - and _.
	Token string

	// May reports whether visitors may perform an action. If it is nil, they may perform every action of the source.
	May func(action string) bool

	// Logger logs errors of the source. The default is slog.Default().
	Logger *slog.Logger
}

//go:embed assets
var embedded embed.FS

// A server serves the page for one source.
type server struct {
	source  Source
	log     *slog.Logger
	version string        // of the assets: an open page reloads when it changes
	streams chan struct{} // a slot for each event stream
	mux     *http.ServeMux
	may     func(r *http.Request, action string) bool
	check   func(r *http.Request) error // fails when an event stream must end

	operations *operations // nil unless the source is an OperatorSource
}

// New returns a handler that serves the page for a source. Serve it at the root of a separate listener. It returns an error that
// names the option if an option is invalid.
//
// An open page has an event stream, and http.Server.Shutdown would wait for it. End the context of the server's BaseContext
// first. The server's ReadTimeout and WriteTimeout do not end the stream.
func New(source Source, o Options) (http.Handler, error) {
	s, err := newServer(source, o.Logger)
	if err != nil {
		return nil, err
	}
	s.may = func(_ *http.Request, action string) bool { return o.May == nil || o.May(action) }
	s.check = func(*http.Request) error { return nil }
	return newGuard(s.mux, o)
}

// newServer returns a server that still needs may and check.
func newServer(source Source, logger *slog.Logger) (*server, error) {
	if source == nil {
		return nil, errors.New("page: source must not be nil")
	}
	s := &server{source: source, log: cmp.Or(logger, slog.Default()), streams: make(chan struct{}, maxStreams), mux: http.NewServeMux()}
	if err := s.mountAssets(s.mux); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /api/items", s.list)
	s.mux.HandleFunc("GET /api/items/{id}", s.detail)
	s.mux.HandleFunc("GET /api/items/{id}/body", s.body)
	s.mux.HandleFunc("GET /api/items/{id}/curl", s.curl)
	s.mux.HandleFunc("POST /api/items/{id}/actions/{action}", s.act)
	s.mux.HandleFunc("GET /api/events", s.events)
	if o, ok := source.(OperatorSource); ok {
		s.mountOperations(o)
	}
	return s, nil
}

// mountAssets mounts each embedded file under its name, and index.html at the root.
func (s *server) mountAssets(mux *http.ServeMux) error {
	sum := sha256.New()
	err := fs.WalkDir(embedded, "assets", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := embedded.ReadFile(name)
		if err != nil {
			return err
		}
		_, _ = sum.Write(content) // never fails
		kind := mime.TypeByExtension(path.Ext(name))
		if path.Ext(name) == ".js" {
			kind = "text/javascript; charset=utf-8" // the MIME table of the machine may have another type
		}
		pattern := "GET /" + strings.TrimPrefix(name, "assets/")
		if pattern == "GET /index.html" {
			pattern = "GET /{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(content) // the visitor may have left
		})
		return nil
	})
	s.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return err
}
