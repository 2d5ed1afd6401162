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

// Options are the options of [New]. The zero value of each field but Token stands for its default.
type Options struct {
	// Hosts are what a request's Host may be, in addition to localhost, *.localhost and any IP address with the port that
	// is listened on: a name or an address, with any port ("box.example") or with one ("box.example:9000"). Anything else is
	// answered 403.
	Hosts []string

	// Token must be brought by each visitor once, as ?token= in the page's URL; a cookie has it from then on, for a
	// path that is made up by New. Other users of this machine reach a loopback address, too. It is 16 characters or more, of those that need no escape in a URL.
	Token string

	// Logger gets what failed while the page was served. Defaults to slog.Default().
	Logger *slog.Logger
}

//go:embed assets
var embedded embed.FS

// A server is the page over one source.
type server struct {
	source  Source
	log     *slog.Logger
	version string        // of the assets: a page that is open reloads when it finds another
	streams chan struct{} // a place for each stream of events
}

// New returns the page over a source, to be served at the root of a listener of its own. The error names the option that
// breaks a rule.
//
// A page that is open holds a stream of events, for which http.Server.Shutdown would wait: end the context of the server's
// BaseContext first. Neither a ReadTimeout nor a WriteTimeout of the server ends it.
func New(source Source, o Options) (http.Handler, error) {
	if source == nil {
		return nil, errors.New("page: a Source is needed")
	}
	s := &server{source: source, log: cmp.Or(o.Logger, slog.Default()), streams: make(chan struct{}, maxStreams)}
	mux := http.NewServeMux()
	if err := s.mountAssets(mux); err != nil {
		return nil, err
	}
	mux.HandleFunc("GET /api/items", s.list)
	mux.HandleFunc("GET /api/items/{id}", s.detail)
	mux.HandleFunc("GET /api/items/{id}/body", s.body)
	mux.HandleFunc("GET /api/items/{id}/curl", s.curl)
	mux.HandleFunc("POST /api/items/{id}/actions/{action}", s.act)
	mux.HandleFunc("GET /api/events", s.events)
	return newGuard(mux, o)
}

// mountAssets mounts each embedded file under its name, and the page itself at the root.
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
			kind = "text/javascript; charset=utf-8" // whatever the machine's own table says
		}
		pattern := "GET /" + strings.TrimPrefix(name, "assets/")
		if pattern == "GET /index.html" {
			pattern = "GET /{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(content) // the visitor has left
		})
		return nil
	})
	s.version = hex.EncodeToString(sum.Sum(nil)[:8])
	return err
}
