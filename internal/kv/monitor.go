package kv

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
)

func (s *Server) monitorCmd(c *engine.Ctx) {
	cl := caller(c)
	if cl == nil {
		return
	}
	if _, in := cl.s.InMulti(); in || c.Nested() {
		c.Fail("ERR MONITOR isn't allowed for DENY BLOCKING client")
		return
	}
	s.monitors[cl] = struct{}{}
	cl.monitor = true
	cl.limits()
	c.OK()
}

// show sends a command to all that watch.
func (s *Server) show(es *engine.Session, cmd *engine.Command, args [][]byte) {
	from := "lua"
	if c := clientOf(es); c != nil && !es.Internal && c.script == nil {
		from = c.addr
		if c.net == netUnix {
			from = "unix:" + strings.TrimSuffix(c.addr, ":0")
		}
	}
	var b strings.Builder
	now := time.UnixMilli(s.engine.Now())
	fmt.Fprintf(&b, "%d.%06d [%d %s]", now.Unix(), now.Nanosecond()/1000, es.DB(), from)
	for _, arg := range redacted(cmd, args) {
		b.WriteByte(' ')
		quote(&b, arg)
	}
	line := b.String()
	for c := range s.monitors {
		c.push(func(w *resp.Writer) { w.Simple(line) })
	}
}

// quote writes bytes as redis-cli shows them.
func quote(b *strings.Builder, arg []byte) {
	b.WriteByte('"')
	for _, c := range arg {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\a':
			b.WriteString(`\a`)
		case c == '\b':
			b.WriteString(`\b`)
		case c < ' ' || c > '~':
			fmt.Fprintf(b, `\x%02x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
}

// secret stands for what nobody may read in logs.
const secret = "(redacted)"

// redacted gives a call without passwords.
func redacted(cmd *engine.Command, args [][]byte) [][]byte {
	from := 1 // of what is hidden
	switch cmd.FullName() {
	case "auth":
	case "acl|setuser":
		from = 2
	case "hello":
		return redactedHello(args)
	case "config|set":
		return redactedConfig(args)
	default:
		return args
	}
	out := slices.Clone(args)
	for i := from; i < len(out); i++ {
		out[i] = []byte(secret)
	}
	return out
}

func redactedHello(args [][]byte) [][]byte {
	for i := 2; i+2 < len(args); i++ {
		if equalFold(args[i], "auth") {
			out := slices.Clone(args)
			out[i+1], out[i+2] = []byte(secret), []byte(secret)
			return out
		}
	}
	return args
}

func redactedConfig(args [][]byte) [][]byte {
	out := args
	for i := 2; i+1 < len(args); i += 2 {
		if secretParameter(strings.ToLower(string(args[i]))) {
			if &out[0] == &args[0] {
				out = slices.Clone(args)
			}
			out[i+1] = []byte(secret)
		}
	}
	return out
}
