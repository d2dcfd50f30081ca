package kv

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

func (s *Server) clientTrackingCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	t, ok := s.trackingOptions(c)
	if !ok {
		return
	}
	on, ok := onOff(c, 2)
	switch {
	case !ok:
		return
	case !on:
		s.trackingOff(cl)
	default:
		if refusal := t.refusal(cl.track); refusal != "" {
			c.Fail(refusal)
			return
		}
		if t.bcast && len(t.prefixes) == 0 {
			t.prefixes[""] = struct{}{}
		}
		s.trackingOn(cl, t)
	}
	c.OK()
}

// trackingOptions reads the options; false after an error was answered.
func (s *Server) trackingOptions(c *engine.Ctx) (t *tracking, ok bool) {
	t = &tracking{prefixes: map[string]struct{}{}}
	var given []string
	for i := 3; i < len(c.Args); i++ {
		more := i+1 < len(c.Args)
		switch {
		case c.Is(i, "redirect") && more:
			if t.redirect != 0 {
				c.Fail("ERR A client can only redirect to a single other client")
				return nil, false
			}
			i++
			if t.redirect, ok = c.Int(i); !ok {
				return nil, false
			}
			if s.clients[t.redirect] == nil {
				c.Fail("ERR The client ID you want redirect to does not exist")
				return nil, false
			}
		case c.Is(i, "bcast"):
			t.bcast = true
		case c.Is(i, "optin"):
			t.optIn = true
		case c.Is(i, "optout"):
			t.optOut = true
		case c.Is(i, "noloop"):
			t.noLoop = true
		case c.Is(i, "prefix") && more:
			i++
			given = append(given, string(c.Args[i]))
		default:
			c.Fail(errSyntax)
			return nil, false
		}
	}
	t.given = given
	return t, true
}

// refusal says why a client whose keys are tracked as before cannot have them tracked so; before may be nil.
func (t *tracking) refusal(before *tracking) string {
	const switching = " mode before disabling tracking for this client, and then re-enabling it with a different mode."
	switch {
	case !t.bcast && len(t.given) > 0:
		return "ERR PREFIX option requires BCAST mode to be enabled"
	case before != nil && before.bcast != t.bcast:
		return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
	case t.bcast && (t.optIn || t.optOut):
		return "ERR OPTIN and OPTOUT are not compatible with BCAST"
	case t.optIn && t.optOut:
		return "ERR You can't specify both OPTIN mode and OPTOUT mode"
	case before != nil && (t.optIn && before.optOut || t.optOut && before.optIn):
		return "ERR You can't switch OPTIN/OPTOUT" + switching
	}
	return t.takePrefixes(before)
}

// takePrefixes makes the prefixes that were given the client's, unless two of them have keys in common.
func (t *tracking) takePrefixes(before *tracking) (refusal string) {
	overlap := func(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }
	const rule = "Prefixes for a single client must not overlap."
	for i, p := range t.given {
		if before != nil {
			for _, old := range slices.Sorted(maps.Keys(before.prefixes)) {
				if overlap(old, p) {
					return fmt.Sprintf("ERR Prefix '%s' overlaps with an existing prefix '%s'. %s", p, old, rule)
				}
			}
		}
		for _, other := range t.given[i+1:] {
			if overlap(p, other) {
				return fmt.Sprintf("ERR Prefix '%s' overlaps with another provided prefix '%s'. %s", p, other, rule)
			}
		}
		t.prefixes[p] = struct{}{}
	}
	t.given = nil
	return ""
}

func (s *Server) clientCachingCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	switch {
	case cl.track == nil:
		c.Fail("ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled")
	case c.Is(2, "yes") && !cl.track.optIn:
		c.Fail("ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
	case c.Is(2, "no") && !cl.track.optOut:
		c.Fail("ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
	case c.Is(2, "yes"), c.Is(2, "no"):
		cl.track.caching = true
		c.OK()
	default:
		c.Fail(errSyntax)
	}
}

func (s *Server) clientGetredirCmd(c *engine.Ctx) {
	if cl := caller(c); cl != nil {
		c.Out.Int(cl.redirect())
	}
}

// redirect is who is told in the client's place: 0 = nobody, -1 = its keys are not tracked.
func (c *client) redirect() int64 {
	if c.track == nil {
		return -1
	}
	return c.track.redirect
}

func (s *Server) clientTrackinginfoCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	flags := []string{"off"}
	var prefixes []string
	if t := cl.track; t != nil {
		flags = t.flags()
		prefixes = slices.Sorted(maps.Keys(t.prefixes))
	}
	c.Out.Map(3)
	c.Out.BulkString("flags")
	c.Out.Set(len(flags))
	for _, f := range flags {
		c.Out.BulkString(f)
	}
	c.Out.BulkString("redirect")
	c.Out.Int(cl.redirect())
	c.Out.BulkString("prefixes")
	c.Out.Array(len(prefixes))
	for _, p := range prefixes {
		c.Out.BulkString(p)
	}
}

func (t *tracking) flags() []string {
	flags := []string{"on"}
	add := func(is bool, name string) {
		if is {
			flags = append(flags, name)
		}
	}
	add(t.bcast, "bcast")
	add(t.optIn, "optin")
	add(t.optIn && t.caching, "caching-yes")
	add(t.optOut, "optout")
	add(t.optOut && t.caching, "caching-no")
	add(t.noLoop, "noloop")
	add(t.broken, "broken_redirect")
	return flags
}
