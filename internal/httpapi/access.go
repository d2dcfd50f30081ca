package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// scope is what a token allows.
type scope string

const (
	scopeOpen   scope = "" // needs no token
	scopeRead   scope = "read"
	scopeUpload scope = "upload"
	scopeWork   scope = "work"      // leasing and finishing jobs
	scopeAdmin  scope = "admin"     // allows everything
	scopeRaw    scope = "files.raw" // admin, or read where files.raw is set
)

// authorize checks the token against the scope of the route. A path or method that does not exist needs none: its
// answer is the same for everybody.
func (s *Server) authorize(c echo.Context) error {
	if s.cfg.Auth == nil {
		return nil
	}
	r := c.Request()
	need, ok := s.scopes[r.Method+" "+c.Path()]
	if !ok || need == scopeOpen || (c.Path() == "/metrics" && isLoopback(r.RemoteAddr)) {
		return nil
	}
	token := tokenOf(r)
	if token == "" {
		return errcode.New(errcode.Unauthorized, "a token is needed: Authorization: Bearer … or X-API-Key")
	}
	granted, ok := s.cfg.Auth.Authorize(token)
	if !ok {
		return errcode.New(errcode.Unauthorized, "the token is not valid")
	}
	st := stateOf(r.Context())
	st.scopes = make(map[scope]bool, len(granted))
	for _, g := range granted {
		st.scopes[scope(g)] = true
	}
	return s.require(r, need)
}

// require checks that the request's token has a scope. Admin has all.
func (s *Server) require(r *http.Request, need scope) error {
	if need == scopeRaw {
		need = scopeAdmin
		if s.cfg.FilesRaw {
			need = scopeRead
		}
	}
	if !stateOf(r.Context()).allows(need) {
		return errcode.Newf(errcode.Forbidden, "the token lacks the scope %s", need)
	}
	return nil
}

func (st *state) allows(need scope) bool {
	return st.scopes == nil || st.scopes[need] || st.scopes[scopeAdmin]
}

func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-API-Key")
}

// allowedHosts gives the names that Host may carry, beside the address a connection came in on.
func allowedHosts(cfg Config) map[string]struct{} {
	hosts := map[string]struct{}{"localhost": {}, "127.0.0.1": {}, "::1": {}}
	own, _, err := net.SplitHostPort(cfg.Listen)
	if err == nil && own != "" {
		hosts[strings.ToLower(own)] = struct{}{}
	}
	for _, h := range cfg.Hosts {
		hosts[hostName(h)] = struct{}{}
	}
	return hosts
}

// checkHost refuses names that are not this appliance's: a page of another site that had its own name resolved to
// this machine could otherwise read everything (DNS rebinding).
func (s *Server) checkHost(r *http.Request) error {
	name := hostName(r.Host)
	if _, ok := s.hosts[name]; ok || ownAddress(r, name) {
		return nil
	}
	return errcode.New(errcode.Forbidden, "this appliance is not known by the name in Host; server.hosts lists its names")
}

// hostName gives the name in a Host header: without port, brackets and a final dot, in lower case.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// ownAddress reports whether name is the IP address the connection came in on. An address cannot be rebound.
func ownAddress(r *http.Request, name string) bool {
	ip, err := netip.ParseAddr(name)
	if err != nil {
		return false
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return false
	}
	own, err := netip.ParseAddrPort(local.String())
	return err == nil && own.Addr().Unmap().WithZone("") == ip.Unmap().WithZone("")
}

func isLoopback(addr string) bool {
	a, err := netip.ParseAddrPort(addr)
	return err == nil && a.Addr().Unmap().IsLoopback()
}
