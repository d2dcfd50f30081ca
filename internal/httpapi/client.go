package httpapi

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// maxHops is how many entries of X-Forwarded-For are looked at.
const maxHops = 32

// clientIP gives the address a request comes from. Behind proxies that are trusted it is the last one in X-Forwarded-For
// that is not a proxy of theirs: what is further left, anybody can have written.
func (s *Server) clientIP(r *http.Request) string {
	remote := remoteIP(r)
	if !s.trusts(remote) {
		return remote.String()
	}
	client := remote
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && i >= len(hops)-maxHops; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			break
		}
		if client = hop; !s.trusts(hop) {
			break
		}
	}
	return client.String()
}

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
func (s *Server) secure(r *http.Request) bool {
	return r.TLS != nil || (s.trusts(remoteIP(r)) && strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https"))
}

// fromLoopback reports whether a request comes from this machine itself, not merely through a proxy on it.
func (s *Server) fromLoopback(r *http.Request) bool {
	a, err := netip.ParseAddr(stateOf(r.Context()).client)
	return err == nil && a.IsLoopback()
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
