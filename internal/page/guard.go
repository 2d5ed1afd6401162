package page

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

var fitForToken = regexp.MustCompile(`^[A-Za-z0-9_-]{16,}$`)

// A guard refuses requests that have no token or another host name, and passes the others to next.
type guard struct {
	next  http.Handler
	hosts map[string]bool
	token string
	path  string // random prefix of the page: browsers send a cookie to all ports of a host, but not to other paths
}

func newGuard(next http.Handler, o Options) (http.Handler, error) {
	path := "/" + rand.Text()
	g := &guard{next: http.StripPrefix(path, next), hosts: make(map[string]bool), token: o.Token, path: path + "/"}
	if !fitForToken.MatchString(o.Token) {
		return nil, errors.New("page: Options.Token must have at least 16 characters, and only letters, digits, - and _")
	}
	for _, host := range o.Hosts {
		u, err := url.Parse("http://" + host)
		if err != nil || u.Host != host || u.Hostname() == "" {
			return nil, fmt.Errorf("page: Options.Hosts (%q) must be a host name or an IP address, with or without a port", host)
		}
		g.hosts[strings.ToLower(host)] = true
	}
	return protect(g, g.path), nil
}

// ServeHTTP implements http.Handler.
func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case !g.isOurs(r):
		http.Error(w, "The page is not available under this host name. Open the URL that aihooks printed, or start aihooks with --web-host and this name.", http.StatusForbidden)
	case g.takeToken(w, r):
	case !g.hasToken(r):
		http.Error(w, "The token is missing or old. Open the URL that aihooks printed when it started.", http.StatusUnauthorized)
	default:
		g.next.ServeHTTP(w, r)
	}
}

// isOurs reports whether the Host is allowed. An attacker can point any host name that they control to this machine.
func (g *guard) isOurs(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	u := url.URL{Host: host}
	if g.hosts[host] || g.hosts[strings.TrimSuffix(host, ":"+u.Port())] {
		return true
	}
	name := u.Hostname()
	if _, err := netip.ParseAddr(name); err != nil && name != "localhost" && !strings.HasSuffix(name, ".localhost") {
		return false // DNS can point any other name here, but not an IP address, and RFC 6761 reserves localhost
	}
	listener, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true // without a listener, there is no port to compare
	}
	_, port, err := net.SplitHostPort(listener.String())
	if u.Port() == "" {
		return err == nil && port == "80"
	}
	return err == nil && port == u.Port()
}

// takeToken exchanges the token in the URL for a cookie, and redirects to a URL without the token.
func (g *guard) takeToken(w http.ResponseWriter, r *http.Request) bool {
	if r.Method != http.MethodGet || r.URL.Path != "/" || !g.isToken(r.URL.Query().Get("token")) {
		return false
	}
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure only with TLS, because the page is usually served without it
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

// cookieName contains the port, because browsers share cookies between all ports of a host.
func cookieName(r *http.Request) string {
	u := url.URL{Host: r.Host}
	return "aihooks" + u.Port()
}
