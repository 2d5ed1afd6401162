package page

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// policy lets the page run, load and send nothing but its own, and makes the browser refuse to take text for HTML.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; " +
	"form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

var fitForToken = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// A guard answers those that the page is not for.
type guard struct {
	next   http.Handler
	hosts  map[string]bool
	token  string
	path   string // below which the page is: a browser sends a cookie to all ports of a host, but not to other paths
	origin *http.CrossOriginProtection
}

func newGuard(next http.Handler, o Options) (http.Handler, error) {
	path := "/" + rand.Text()
	g := &guard{next: http.StripPrefix(path, next), hosts: make(map[string]bool), token: o.Token, path: path + "/", origin: http.NewCrossOriginProtection()}
	if !fitForToken.MatchString(o.Token) {
		return nil, errors.New("page: Options.Token must have 16 characters or more, all of them letters, digits, - or _")
	}
	for _, host := range o.Hosts {
		u, err := url.Parse("http://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" {
			return nil, fmt.Errorf("page: Options.Hosts must be names or addresses, with or without a port, and %q is not", host)
		}
		g.hosts[strings.ToLower(host)] = true
	}
	return g, nil
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	switch {
	case !g.isOurs(r):
		http.Error(w, "The page does not go by this name. Open it at the address that was printed, or start it with --web-host and this name.", http.StatusForbidden)
	case g.isForeign(r) || g.origin.Check(r) != nil:
		http.Error(w, "The page answers no other site.", http.StatusForbidden)
	case r.Method == http.MethodPost && !isJSON(r):
		http.Error(w, "The Content-Type must be application/json.", http.StatusUnsupportedMediaType)
	case g.takeToken(w, r):
	case !g.hasToken(r):
		http.Error(w, "Open the address that was printed when the page was started, with its token.", http.StatusUnauthorized)
	default:
		g.next.ServeHTTP(w, r)
	}
}

// isOurs reports whether the Host is one that leads here by our own doing: a name that somebody else controls can be made to.
func (g *guard) isOurs(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	u := url.URL{Host: host}
	if g.hosts[host] || g.hosts[strings.TrimSuffix(host, ":"+u.Port())] {
		return true
	}
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err != nil && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return false // DNS can lead any other name here; an address is none, and RFC 6761 keeps localhost
	}
	listener, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true // served without a listener
	}
	_, port, err := net.SplitHostPort(listener.String())
	if u.Port() == "" {
		return err == nil && port == "80"
	}
	return err == nil && port == u.Port()
}

// isForeign reports whether the browser says that another site asks. The page itself may be linked to. Another port of this
// machine is another site to us, although it is the "same site" to browsers.
func (g *guard) isForeign(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		linked := r.Method == http.MethodGet && (r.URL.Path == "/" || r.URL.Path == g.path) && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
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

// takeToken lets in a visitor who brings the token, and takes it out of the address.
func (g *guard) takeToken(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || r.URL.Path != "/" || !g.isToken(r.URL.Query().Get("token")) {
		return false
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever it can be: the page is served without TLS on this machine
		Name: cookieName(r), Value: g.token, Path: g.path, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil,
	})
	http.Redirect(w, r, g.path, http.StatusSeeOther)
	return true
}

func (g *guard) hasToken(r *http.Request) bool {
	cookie, err := r.Cookie(cookieName(r))
	return err == nil && g.isToken(cookie.Value) && strings.HasPrefix(r.URL.Path, g.path)
}

func (g *guard) isToken(s string) bool {
	return subtle.ConstantTimeCompare([]byte(s), []byte(g.token)) == 1
}

// cookieName has the port in it: cookies of one host are the same at all its ports.
func cookieName(r *http.Request) string {
	u := url.URL{Host: r.Host}
	return "aihooks" + u.Port()
}
