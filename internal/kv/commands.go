package kv

import (
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// commands is the server's part of the command table.
func (s *Server) commands() []*engine.Command {
	return slices.Concat(s.connectionCommands(), s.pubsubCommands(), s.serverCommands(), s.aclCommands())
}

// Errors that several commands give.
const (
	errSyntax = "ERR syntax error"
	errNotInt = "ERR value is not an integer or out of range"
)

// helpCmd lists the subcommands of the command it belongs to.
func helpCmd(c *engine.Ctx) {
	parent := c.E.Lookup(c.Args[:1])
	c.Out.Array(2*len(parent.Sub) + 1)
	c.Out.Simple(strings.ToUpper(parent.Name) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")
	for _, sub := range parent.Sub {
		if sub.Name != "help" {
			c.Out.Simple(strings.ToUpper(sub.Name))
			c.Out.Simple("    " + sub.Summary)
		}
	}
	c.Out.Simple("HELP")
	c.Out.Simple("    Print this help.")
}
