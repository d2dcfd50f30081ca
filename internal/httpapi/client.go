package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many entries of X-Forwarded-For or Forwarded are looked at.
const maxHops = 32

// origin is where a request comes from, as far as it can be believed.
type origin struct {
	client netip.Addr
	named  bool // by a trusted proxy; else it is who the connection is from
	https  bool
	host   string // that a trusted proxy was asked for, "" = it did not say
}

// originOf finds out where a request comes from. Behind proxies that are trusted, the client is the last one they name that
// is not a proxy of theirs: what is further left, anybody can have written.
func (s *Server) originOf(r *http.Request) origin {
	o := origin{client: remoteIP(r), https: r.TLS != nil}
	switch {
	case !s.trusts(o.client):
		return o
	case s.cfg.Forwarded:
		s.followForwarded(&o, strings.Join(r.Header.Values("Forwarded"), ","))
		return o
	}
	if proto := lastValue(r, "X-Forwarded-Proto"); proto != "" {
		o.https = strings.EqualFold(proto, "https")
	}
	o.host = lastValue(r, "X-Forwarded-Host")
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && i >= len(hops)-maxHops; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		o.client, o.named = hop, true
		if !s.trusts(hop) {
			break
		}
	}
	return o
}

// lastValue gives the last value of a header that is a list: the one the nearest proxy has set.
func lastValue(r *http.Request, name string) string {
	all := r.Header.Values(name)
	if len(all) == 0 {
		return ""
	}
	last := all[len(all)-1]
	return strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
}

// clientIP gives the address a request comes from.
func (s *Server) clientIP(r *http.Request) string { return s.originOf(r).client.String() }

// parseHop reads an entry of X-Forwarded-For: an address, perhaps with a port.
func parseHop(text string) (netip.Addr, bool) {
	text = strings.TrimSpace(text)
	if host, _, err := net.SplitHostPort(text); err == nil {
		text = host
	}
	a, err := netip.ParseAddr(strings.Trim(text, "[]"))
	return a.Unmap().WithZone(""), err == nil
}

func remoteIP(r *http.Request) netip.Addr {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return a.Addr().Unmap().WithZone("")
}

func (s *Server) trusts(a netip.Addr) bool {
	for _, p := range s.cfg.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// secure reports whether the client speaks HTTPS: with the appliance, or with a proxy that is trusted.
func (s *Server) secure(r *http.Request) bool { return s.originOf(r).https }

// fromLoopback reports whether a request comes from this machine itself, not merely through a proxy on it. That there is a
// proxy nobody told the appliance of shows by its headers, and so does one that is trusted and does not say for whom it asks.
func (s *Server) fromLoopback(r *http.Request) bool {
	o := s.originOf(r)
	return remoteIP(r).IsLoopback() && o.client.IsLoopback() && (o.named || !viaProxy(r))
}

func viaProxy(r *http.Request) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "Via"} {
		if len(r.Header.Values(name)) > 0 {
			return true
		}
	}
	return false
}

// clientKey is what clients are counted by: an IPv4 address, or the /64 that a host is given in IPv6.
func clientKey(ip string) string {
	a, err := netip.ParseAddr(ip)
	if err != nil || a.Is4() {
		return ip
	}
	p, _ := a.Prefix(64) // never fails: 64 is within
	return p.String()
}

// fixedHeaders gives the headers that every answer has.
func fixedHeaders(cfg Config) http.Header {
	h := http.Header{
		"X-Content-Type-Options":       {"nosniff"},
		"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
		"Referrer-Policy":              {"no-referrer"},
		"X-Frame-Options":              {"DENY"},
		"Cross-Origin-Opener-Policy":   {"same-origin"},
		"Cross-Origin-Resource-Policy": {"same-origin"},
	}
	if cfg.TLSCert != "" {
		h["Strict-Transport-Security"] = []string{"max-age=31536000"}
	}
	return h
}
