package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/access"
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
	scopeTokens scope = "tokens"    // admin, also where no token is needed, once there is one
)

// cookieName is that of the session of a browser.
const cookieName = "wayside_session"

// A client that sends wrong tokens is told so failureBurst times, then failureRate times a second.
const (
	failureRate  = 0.2
	failureBurst = 20
)

// authorize checks the token, or the session of a browser, against the scope of the route. A path or method that does not
// exist needs none: its answer is the same for everybody.
func (s *Server) authorize(c echo.Context) error {
	r := c.Request()
	st := stateOf(r.Context())
	need, ok := s.scopes[r.Method+" "+c.Path()]
	st.need = need
	metrics := ok && isMetrics(c.Path())
	guarded := metrics && s.cfg.MetricsToken != ""
	switch {
	case !ok || need == scopeOpen:
		return nil
	case guarded && s.hasMetricsToken(r):
		return nil
	case guarded && s.cfg.Auth == nil:
		st.denied = true
		return errNoMetricsToken
	case guarded:
	case s.cfg.Auth == nil || (metrics && s.fromLoopback(r)):
		return nil
	}
	grant, err := s.identify(r)
	if err != nil {
		st.denied = true
		return err
	}
	if grant != nil {
		st.grant = grant
		return s.require(r, need)
	}
	st.denied = true
	if guarded {
		return errNoMetricsToken
	}
	if s.cfg.Auth.Required() {
		return errcode.New(errcode.Unauthorized, "a token is needed: Authorization: Bearer … or X-API-Key")
	}
	if need == scopeTokens && s.cfg.Auth.Any() {
		return errcode.New(errcode.Unauthorized, "there are tokens, so that one with the scope admin is needed here")
	}
	st.denied = false
	return nil
}

// identify gives what the token or the session of a request allows, nil if it has neither, or one of a session that is
// over where none is needed.
func (s *Server) identify(r *http.Request) (*access.Grant, error) {
	if token := tokenOf(r); token != "" {
		if g, ok := s.cfg.Auth.Check(token); ok {
			return &g, nil
		}
		return nil, s.wrongToken(r)
	}
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // there is none
	}
	if g, ok := s.cfg.Auth.Session(cookie.Value); ok {
		return &g, nil
	}
	if s.cfg.Auth.Required() {
		return nil, errcode.New(errcode.Unauthorized, "the session is over: sign in again")
	}
	return nil, nil //nolint:nilnil // nobody needs one
}

// wrongToken gives the answer to a wrong token. From an address that sends many only some are written down, and the answer
// is another. Valid tokens from there go on: one misled client is not to lock out all those behind the same address, and no
// number of tries comes near a token of 256 random bits.
func (s *Server) wrongToken(r *http.Request) error {
	st := stateOf(r.Context())
	st.wrong = true
	if v := s.failures.take(clientKey(st.client)); !v.ok {
		s.refused(r, v, "wrong tokens")
		return errcode.New(errcode.RateLimited, "too many wrong tokens from this address").After(v.after)
	}
	return errcode.New(errcode.Unauthorized, "the token is not valid")
}

// refused writes down that a client came too often: once, until it may come again.
func (s *Server) refused(r *http.Request, v verdict, limit string) {
	st := stateOf(r.Context())
	st.quiet = true
	if v.first {
		s.log.WarnContext(r.Context(), "client limited", "limit", limit, "client_ip", st.client, "retry_after", v.after.Seconds())
	}
}

// require checks that the request's token has a scope. Admin has all.
func (s *Server) require(r *http.Request, need scope) error {
	switch need {
	case scopeRaw:
		need = scopeAdmin
		if s.cfg.FilesRaw {
			need = scopeRead
		}
	case scopeTokens:
		need = scopeAdmin
	default:
	}
	if !stateOf(r.Context()).allows(need) {
		return errcode.Newf(errcode.Forbidden, "the token lacks the scope %s", need)
	}
	return nil
}

func (st *state) allows(need scope) bool {
	return st.grant == nil || st.grant.Allows(access.Scope(need))
}

func tokenOf(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	return r.Header.Get("X-API-Key")
}

// limit counts a request against the rate of its client: its token, or else its address.
func (s *Server) limit(c echo.Context) error {
	if !s.limiter.on() || always(c.Path()) {
		return nil
	}
	st := stateOf(c.Request().Context())
	key := clientKey(st.client)
	if st.grant != nil {
		key = "token " + st.grant.ID
	}
	v := s.limiter.take(key)
	v.headers(c.Response().Header())
	if !v.ok {
		s.refused(c.Request(), v, "requests")
		return errcode.New(errcode.RateLimited, "more requests than server.rate_limit allows").After(v.after)
	}
	return nil
}

// SetRateLimit changes how many requests a second a client may make, and at once.
func (s *Server) SetRateLimit(perSecond float64, burst int) { s.limiter.set(perSecond, burst) }

// audit writes down who has changed what: requests that need the scope admin and are not for reading, sessions, decodes that
// reveal sensitive values, and wrong tokens.
func (s *Server) audit(c echo.Context, st *state, method, endpoint string, status int) {
	r := c.Request()
	meant := st.audited || st.wrong || (st.changes(r.Method) && !st.denied) // who has no token at all has tried nothing
	if st.quiet || !meant {
		return
	}
	who, id := "local", ""
	switch {
	case st.grant != nil:
		who, id = st.grant.Name, st.grant.ID
	case st.wrong:
		who = "nobody"
	}
	s.cfg.Audit.InfoContext(r.Context(), "audit", "action", method+" "+endpoint, "path", r.URL.Path, "who", who, "grant", id,
		"client_ip", st.client, "status", status, "made", c.Response().Header().Get("Location"), "reveal", st.reveal)
}

// changes reports whether a request is one of an administrator to change something.
func (st *state) changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && (st.need == scopeAdmin || st.need == scopeTokens)
}

// allowedHosts gives the names that Host may carry, beside the address a connection came in on.
func allowedHosts(cfg Config) map[string]struct{} {
	hosts := map[string]struct{}{"localhost": {}, "127.0.0.1": {}, "::1": {}}
	own, _, err := net.SplitHostPort(cfg.Listen)
	if err == nil && own != "" {
		hosts[strings.ToLower(own)] = struct{}{}
	}
	if own, _, err := net.SplitHostPort(cfg.MetricsListen); err == nil && own != "" {
		hosts[strings.ToLower(own)] = struct{}{}
	}
	for _, h := range cfg.Hosts {
		hosts[hostName(h)] = struct{}{}
	}
	return hosts
}

// checkHost refuses names that are not this appliance's: a page of another site that had its own name resolved to
// this machine could otherwise read everything (DNS rebinding).
//
// A proxy that is trusted may say what name it was asked for. Both names have to be known, so that what a page adds to its
// requests only ever takes rights away. From then on the request has the name that the client used.
func (s *Server) checkHost(r *http.Request) error {
	if !s.known(r, r.Host) {
		return errcode.New(errcode.Forbidden, "this appliance is not known by the name in Host; server.hosts lists its names")
	}
	host := stateOf(r.Context()).host
	if host == "" {
		return nil
	}
	if !s.known(r, host) {
		return errcode.New(errcode.Forbidden, "this appliance is not known by the name the proxy was asked for; server.hosts lists its names")
	}
	r.Host = host
	return nil
}

func (s *Server) known(r *http.Request, host string) bool {
	name := hostName(host)
	_, ok := s.hosts[name]
	return ok || ownAddress(r, name)
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
