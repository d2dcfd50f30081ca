package kv

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Parameter is one of CONFIG GET and CONFIG SET that another package owns. Its functions are called under the engine's
// lock.
type Parameter struct {
	Name string
	Get  func() string
	Set  func(value string) error // nil = it cannot be changed; the error is told to the client
}

// parameter is what CONFIG knows of one.
type parameter struct {
	name   string
	get    func() string
	set    func(value string) error // nil = it cannot be changed
	secret bool
	reason string // why not, beside that
	hidden bool   // not found by a pattern
	same   string // another name of the parameter of this name
}

func secretParameter(name string) bool {
	switch name {
	case "requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass":
		return true
	}
	return false
}

func (s *Server) configGetCmd(c *engine.Ctx) {
	found := map[string]*parameter{}
	for _, arg := range c.Args[2:] {
		name := strings.ToLower(string(arg))
		if !strings.ContainsAny(name, "*?[") {
			if p := s.params[name]; p != nil {
				found[name] = p
			}
			continue
		}
		for n, p := range s.params {
			if !p.hidden && engine.Glob([]byte(name), []byte(n)) {
				found[n] = p
			}
		}
	}
	c.Out.Map(len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		c.Out.BulkString(name)
		c.Out.BulkString(found[name].get())
	}
}

// change is one pair of CONFIG SET.
type change struct {
	p     *parameter
	value string
	old   string
}

func (s *Server) configSetCmd(c *engine.Ctx) {
	if len(c.Args)%2 != 0 {
		c.Fail(errSyntax)
		return
	}
	var list []change
	seen := map[string]bool{}
	for i := 2; i < len(c.Args); i += 2 {
		p := s.params[strings.ToLower(string(c.Args[i]))]
		if p == nil {
			c.Fail(fmt.Sprintf("ERR Unknown option or number of arguments for CONFIG SET - '%.128s'", c.Args[i]))
			return
		}
		list = append(list, change{p: p, value: string(c.Args[i+1])})
	}
	for i, ch := range list {
		reason := ""
		switch {
		case ch.p.set == nil:
			reason = orDefault(ch.p.reason, "can't set immutable config")
		case seen[ch.p.key()]:
			reason = "duplicate parameter"
		}
		if reason != "" {
			c.Fail(fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%.128s') - %s", c.Args[2+2*i], reason))
			return
		}
		seen[ch.p.key()] = true
	}
	s.apply(c, list)
}

func (p *parameter) key() string { return orDefault(p.same, p.name) }

// Set changes a parameter as CONFIG SET does. It must not be called under the engine's lock.
func (s *Server) Set(name, value string) error {
	s.engine.Lock()
	defer s.engine.Unlock()
	p := s.params[name]
	if p == nil || p.set == nil {
		return fmt.Errorf("set parameter %q: it cannot be changed", name)
	}
	return p.set(value)
}

// apply sets all parameters or none.
func (s *Server) apply(c *engine.Ctx, list []change) {
	for i := range list {
		list[i].old = list[i].p.get()
		if err := list[i].p.set(list[i].value); err != nil {
			for _, done := range slices.Backward(list[:i]) {
				_ = done.p.set(done.old) // it was right before
			}
			c.Fail(fmt.Sprintf("ERR CONFIG SET failed (possibly related to argument '%s') - %s", list[i].p.name, err))
			return
		}
	}
	c.OK()
}

func (s *Server) configResetstatCmd(c *engine.Ctx) {
	keep := c.E.Stats()
	*keep = engine.Stats{Dirty: keep.Dirty}
	for cmd := range c.E.Commands() {
		cmd.ResetStats()
		for _, sub := range cmd.Subcommands() {
			sub.ResetStats()
		}
	}
	s.counts = counts{purging: s.counts.purging}
	s.sent.Store(0)
	s.writes.Store(0)
	c.OK()
}

func (s *Server) configRewriteCmd(c *engine.Ctx) {
	c.Fail("ERR The server is running without a config file")
}
