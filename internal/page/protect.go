package page

import (
	"mime"
	"net/http"
	"net/url"
	"strings"
)

// policy allows the page to run, load and contact only itself, and forbids scripts to parse text as HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// A protector refuses requests that other sites send through a visitor's browser, and passes the others to next.
type protector struct {
	next   http.Handler
	root   string // path of the page, which other sites may link to
	origin *http.CrossOriginProtection
}

func protect(next http.Handler, root string) *protector {
	return &protector{next: next, root: root, origin: http.NewCrossOriginProtection()}
}

// ServeHTTP implements http.Handler.
func (p *protector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Frame-Options", "DENY") // for proxies and scanners that do not know frame-ancestors
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	switch {
	case p.isForeign(r) || p.origin.Check(r) != nil:
		http.Error(w, "Requests from other sites are refused.", http.StatusForbidden)
	case r.Method == http.MethodPost && !isJSON(r):
		http.Error(w, "The Content-Type must be application/json.", http.StatusUnsupportedMediaType)
	default:
		p.next.ServeHTTP(w, r)
	}
}

// isForeign reports whether the request comes from another site. Links to the page are allowed. Another port of this machine
// counts as another site, although browsers report it as "same-site". A proxy may change the Host, but browsers send
// Sec-Fetch-Site to every https site.
func (p *protector) isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return false
	case "":
	default:
		atRoot := r.URL.Path == "" || r.URL.Path == "/" || r.URL.Path == p.root
		linked := atRoot && r.Method == http.MethodGet && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
		return !linked
	}
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	u, err := url.Parse(origin)
	return err != nil || !strings.EqualFold(u.Host, r.Host)
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}
