package kv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// flagNames are the flags of commands, in the order that COMMAND lists them.
var flagNames = [...]struct {
	flag engine.Flags
	name string
}{
	{engine.Write, "write"},
	{engine.ReadOnly, "readonly"},
	{engine.DenyOOM, "denyoom"},
	{engine.Admin, "admin"},
	{engine.PubSub, "pubsub"},
	{engine.NoScript, "noscript"},
	{engine.Blocking, "blocking"},
	{engine.Loading, "loading"},
	{engine.Stale, "stale"},
	{engine.SkipMonitor, "skip_monitor"},
	{engine.SkipSlowLog, "skip_slowlog"},
	{engine.Fast, "fast"},
	{engine.NoAuth, "no_auth"},
	{engine.NoMandatoryKeys, "no_mandatory_keys"},
	{engine.AllowBusy, "allow_busy"},
	{engine.MovableKeys, "movablekeys"},
}

func (s *Server) commandCmd(c *engine.Ctx) {
	if len(c.Args) > 1 {
		c.Fail(fmt.Sprintf("ERR unknown subcommand '%.128s'. Try COMMAND HELP.", c.Args[1]))
		return
	}
	mark, n := c.Out.Mark(), 0
	for cmd := range c.E.Commands() {
		s.writeInfo(c.Out, cmd)
		n++
	}
	c.Out.ArrayAt(mark, n)
}

func (s *Server) commandCountCmd(c *engine.Ctx) {
	var n int64
	for range c.E.Commands() {
		n++
	}
	c.Out.Int(n)
}

// named finds a command by its full name: config|get.
func named(c *engine.Ctx, name []byte) *engine.Command {
	word, sub, has := strings.Cut(string(name), "|")
	args := [][]byte{[]byte(word)}
	if has {
		args = append(args, []byte(sub))
	}
	cmd := c.E.Lookup(args)
	if cmd == nil || has && !strings.Contains(cmd.FullName(), "|") {
		return nil
	}
	return cmd
}

func (s *Server) commandInfoCmd(c *engine.Ctx) {
	if len(c.Args) == 2 {
		s.commandCmd(&engine.Ctx{E: c.E, S: c.S, Cmd: c.Cmd, Args: c.Args[:1], Out: c.Out})
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, name := range c.Args[2:] {
		if cmd := named(c, name); cmd != nil {
			s.writeInfo(c.Out, cmd)
		} else {
			c.Out.NullArray()
		}
	}
}

func writeStatuses(w engine.Reply, list []string) {
	w.Set(len(list))
	for _, word := range list {
		w.Simple(word)
	}
}

// writeInfo answers the ten fields of COMMAND INFO.
func (s *Server) writeInfo(w engine.Reply, cmd *engine.Command) {
	var flags, cats []string
	for _, f := range flagNames {
		if cmd.Flags&f.flag != 0 {
			flags = append(flags, f.name)
		}
	}
	if notInMulti(cmd) {
		flags = append(flags, "no_multi")
	}
	specs := s.specs[cmd.FullName()]
	movable := func(k keySpec) bool { return k.unknown || k.counted || k.word != "" }
	if cmd.Flags&engine.MovableKeys == 0 && slices.ContainsFunc(specs, movable) {
		flags = append(flags, "movablekeys")
	}
	for _, c := range categoriesOf(cmd) {
		cats = append(cats, "@"+c)
	}
	keys := cmd.Keys
	w.Array(10)
	w.BulkString(cmd.FullName())
	w.Int(int64(cmd.Arity))
	writeStatuses(w, flags)
	w.Int(int64(keys.First))
	w.Int(int64(keys.Last))
	w.Int(int64(keys.Step))
	writeStatuses(w, cats)
	w.Array(0)
	w.Set(len(specs))
	for i := range specs {
		specs[i].write(w)
	}
	w.Set(len(cmd.Subcommands()))
	for _, sub := range cmd.Subcommands() {
		s.writeInfo(w, sub)
	}
}

// write answers a key specification as COMMAND INFO has it.
func (k *keySpec) write(w engine.Reply) {
	w.Map(3)
	w.BulkString("flags")
	writeStatuses(w, k.flags.names())
	pairs := func(kind string, fields ...any) {
		w.Map(2)
		w.BulkString("type")
		w.BulkString(kind)
		w.BulkString("spec")
		w.Map(len(fields) / 2)
		for _, f := range fields {
			switch f := f.(type) {
			case int:
				w.Int(int64(f))
			case string:
				w.BulkString(f)
			}
		}
	}
	w.BulkString("begin_search")
	switch {
	case k.index > 0:
		pairs("index", "index", k.index)
	case k.word != "":
		pairs("keyword", "keyword", k.word, "startfrom", k.from)
	default:
		pairs("unknown")
	}
	w.BulkString("find_keys")
	switch {
	case k.unknown:
		pairs("unknown")
	case k.counted:
		pairs("keynum", "keynumidx", k.last, "firstkey", k.most, "keystep", k.step)
	default:
		pairs("range", "lastkey", k.last, "keystep", k.step, "limit", k.most)
	}
}

func (s *Server) commandListCmd(c *engine.Ctx) {
	keep := func(*engine.Command) bool { return true }
	switch {
	case len(c.Args) == 2:
	case len(c.Args) == 5 && c.Is(2, "filterby") && c.Is(3, "pattern"):
		keep = func(cmd *engine.Command) bool {
			return engine.Glob([]byte(strings.ToLower(string(c.Args[4]))), []byte(cmd.FullName()))
		}
	case len(c.Args) == 5 && c.Is(2, "filterby") && c.Is(3, "aclcat"):
		cat := strings.ToLower(string(c.Args[4]))
		keep = func(cmd *engine.Command) bool {
			return slices.Contains(categoriesOf(cmd), cat)
		}
	case len(c.Args) == 5 && c.Is(2, "filterby") && c.Is(3, "module"):
		keep = func(*engine.Command) bool { return false }
	default:
		c.Fail(errSyntax)
		return
	}
	mark, n := c.Out.Mark(), 0
	s.eachCommand(func(cmd *engine.Command) {
		if keep(cmd) {
			c.Out.BulkString(cmd.FullName())
			n++
		}
	})
	c.Out.SetAt(mark, n)
}

func (s *Server) commandDocsCmd(c *engine.Ctx) {
	mark, n := c.Out.Mark(), 0
	if len(c.Args) == 2 {
		for cmd := range c.E.Commands() {
			writeDocs(c.Out, cmd)
			n++
		}
	}
	for _, name := range c.Args[2:] {
		if cmd := named(c, name); cmd != nil {
			writeDocs(c.Out, cmd)
			n++
		}
	}
	c.Out.MapAt(mark, n)
}

func writeDocs(w engine.Reply, cmd *engine.Command) {
	w.BulkString(cmd.FullName())
	mark, n := w.Mark(), 0
	for _, pair := range [][2]string{{"summary", cmd.Summary}, {"since", cmd.Since}, {"group", cmd.Group}, {"complexity", cmd.Complexity}} {
		if pair[1] != "" {
			w.BulkString(pair[0])
			w.BulkString(pair[1])
			n++
		}
	}
	if subs := cmd.Subcommands(); len(subs) > 0 {
		w.BulkString("subcommands")
		w.Map(len(subs))
		for _, sub := range subs {
			writeDocs(w, sub)
		}
		n++
	}
	w.MapAt(mark, n)
}

// keysOf finds the keys of the call that follows; false after an error was answered.
func (s *Server) keysOf(c *engine.Ctx) (args [][]byte, keys []keyUse, ok bool) {
	args = c.Args[2:]
	cmd := c.E.Lookup(args)
	switch {
	case cmd == nil:
		c.Fail("ERR Invalid command specified")
		return nil, nil, false
	case cmd.Find == nil && cmd.Keys.First == 0:
		c.Fail("ERR The command has no key arguments")
		return nil, nil, false
	case !cmd.Takes(len(args)):
		c.Fail("ERR Invalid number of arguments specified for command")
		return nil, nil, false
	}
	if keys = s.specs.keys(cmd, args); len(keys) == 0 {
		if cmd.Flags&engine.NoMandatoryKeys != 0 {
			return args, nil, true
		}
		c.Fail("ERR Invalid arguments specified for command")
		return nil, nil, false
	}
	return args, keys, true
}

func (s *Server) commandGetkeysCmd(c *engine.Ctx) {
	if args, keys, ok := s.keysOf(c); ok {
		c.Out.Array(len(keys))
		for _, k := range keys {
			c.Out.Bulk(args[k.at])
		}
	}
}

func (s *Server) commandGetkeysandflagsCmd(c *engine.Ctx) {
	if args, keys, ok := s.keysOf(c); ok {
		c.Out.Array(len(keys))
		for _, k := range keys {
			c.Out.Array(2)
			c.Out.Bulk(args[k.at])
			writeStatuses(c.Out, k.flags.names())
		}
	}
}
