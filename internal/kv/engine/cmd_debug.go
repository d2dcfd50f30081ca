package engine

import (
	"bytes"
	"fmt"
	"time"
)

const errNoDebug = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a local connection, otherwise you need to set this option in the configuration file, and then restart the server."

// Bounds of what DEBUG does under the lock.
const (
	debugSleep = 5 * time.Second
	debugMatch = 1 << 20
)

// debugCmd is what test suites need of DEBUG. It is off unless the configuration says otherwise.
func debugCmd(c *Ctx) {
	n := len(c.Args)
	switch {
	case c.Is(1, "help") && n == 2:
		debugHelp(c)
	case !c.E.cfg.Debug:
		c.Fail(errNoDebug)
	case c.Is(1, "jmap") && n == 2, c.Is(1, "quicklist-packed-threshold") && n == 3, c.Is(1, "listpack") && n == 3:
		c.OK()
	case c.Is(1, "reload"), c.Is(1, "loadaof") && n == 2:
		c.E.reload()
		c.OK()
	case c.Is(1, "object") && n == 3:
		debugObject(c)
	case c.Is(1, "sleep") && n == 3:
		if f, ok := parseFloat(c.Args[2]); ok && f > 0 {
			time.Sleep(min(time.Duration(min(f, debugSleep.Seconds())*float64(time.Second)), debugSleep))
		}
		c.OK()
	case c.Is(1, "set-active-expire") && n == 3:
		c.E.lazy = c.Is(2, "0")
		c.E.rouse()
		c.OK()
	case c.Is(1, "stringmatch-len") && n == 4:
		if times, ok := c.Int(2); ok {
			c.Out.Bool(glob(c.Args[3], bytes.Repeat([]byte{'a'}, int(min(max(times, 0), debugMatch)))))
		}
	case c.Is(1, "protocol") && n == 3:
		debugProtocol(c)
	default:
		c.Fail(fmt.Sprintf("ERR unknown subcommand or wrong number of arguments for '%.128s'. Try DEBUG HELP.", c.Args[1]))
	}
}

func debugHelp(c *Ctx) {
	c.help("OBJECT <key>", "    How a value is kept.", "PROTOCOL <type>", "    Answer a value of a type.",
		"RELOAD", "    Make all keys anew from the commands that a log would have of them.",
		"SET-ACTIVE-EXPIRE <0|1>", "    Whether keys end that nobody looks at.",
		"SLEEP <seconds>", "    Hold everybody up, for a few seconds at most.",
		"STRINGMATCH-LEN <n> <pattern>", "    Match a pattern with n times the letter a.")
}

func debugObject(c *Ctx) {
	it := c.db.items.find(c.Args[2])
	if it == nil {
		c.Fail(errNoKey)
		return
	}
	c.Out.Simple(fmt.Sprintf("Value at:%p refcount:1 encoding:%s serializedlength:%d lru:%d lru_seconds_idle:%d",
		it, c.E.encoding(it), bytesOf(it), it.val.used&useMask, c.E.idle(it)))
}

// reload makes all items anew from the commands that rewriting gives, as a restart would.
func (e *Engine) reload() {
	type call struct {
		db   int
		args [][]byte
	}
	var calls []call
	for _, d := range e.dbs {
		for it := range d.items.all() {
			if !e.ended(it) {
				new(itemCall).rewrite(it, func(args [][]byte) { calls = append(calls, call{d.id, copyArgs(args)}) })
			}
		}
		d.clear()
	}
	s := e.NewSession(nil)
	s.Internal = true
	loading, propagate := e.loading, e.propagate
	e.loading, e.propagate = true, false
	defer func() { e.loading, e.propagate = loading, propagate }()
	for _, k := range calls {
		if cmd, ok := e.table.find(k.args); ok {
			s.db = k.db
			e.Call(s, cmd, k.args, Discard)
		}
	}
}

// debugProtocol answers one value of each type of the protocol.
func debugProtocol(c *Ctx) {
	switch out := c.Out; string(lower(nil, c.Args[2])) {
	case "string":
		out.BulkString("Hello World")
	case "integer":
		out.Int(12345)
	case "double":
		out.Double(3.141)
	case "null":
		out.Null()
	case "array":
		out.Array(3)
		for i := range int64(3) {
			out.Int(i)
		}
	case "set":
		out.Set(3)
		for i := range int64(3) {
			out.Int(i)
		}
	case "map":
		out.Map(3)
		for i := range int64(3) {
			out.Int(i)
			out.Bool(i == 1)
		}
	case "bignum":
		out.BigNumber("1234567999999999999999999999999999999")
	case "verbatim":
		out.Verbatim("txt", "This is a verbatim\nstring")
	case "true":
		out.Bool(true)
	case "false":
		out.Bool(false)
	default:
		c.Fail("ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false")
	}
}
