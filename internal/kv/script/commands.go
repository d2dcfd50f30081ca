package script

import (
	"strings"

	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// Commands are the rows of the command table about scripts and functions.
func (s *Scripts) Commands() []*engine.Command {
	return append(s.scriptCommands(), s.functionCommands()...)
}

func (s *Scripts) scriptCommands() []*engine.Command {
	scripting := []engine.Category{"scripting"}
	eval := func(name string, flags engine.Flags, since, summary string, run func(c *engine.Ctx)) *engine.Command {
		return &engine.Command{
			Name: name, Arity: -3, Flags: flags | engine.NoScript | engine.SkipMonitor | engine.NoMandatoryKeys | engine.Stale | engine.MovableKeys,
			Find: evalKeys, Reads: s.reads, Categories: scripting, Group: "scripting", Since: since, Complexity: "Depends on the script that is executed.", Summary: summary, Run: run,
		}
	}
	sub := func(name string, arity int, flags engine.Flags, since, summary string, run func(c *engine.Ctx)) *engine.Command {
		return &engine.Command{Name: name, Arity: arity, Flags: flags | engine.NoScript, Categories: scripting, Group: "scripting", Since: since, Complexity: "O(N) in the length of what it is about", Summary: summary, Run: run}
	}
	const (
		readOnly = engine.ReadOnly
		may      = engine.MayReplicate
	)
	return []*engine.Command{
		eval("eval", may, "2.6.0", "Runs a script.", func(c *engine.Ctx) { s.eval(c, false, false) }),
		eval("evalsha", may, "2.6.0", "Runs a script that is known, by its SHA-1.", func(c *engine.Ctx) { s.eval(c, true, false) }),
		eval("eval_ro", readOnly, "7.0.0", "Runs a script that changes nothing.", func(c *engine.Ctx) { s.eval(c, false, true) }),
		eval("evalsha_ro", readOnly, "7.0.0", "Runs a known script that changes nothing, by its SHA-1.", func(c *engine.Ctx) { s.eval(c, true, true) }),
		{Name: "script", Arity: -2, Categories: scripting, Group: "scripting", Since: "2.6.0", Complexity: "Depends on subcommand.", Summary: "Holds the commands about scripts.", Sub: []*engine.Command{
			sub("load", 3, engine.Stale, "2.6.0", "Compiles a script and answers its SHA-1.", s.scriptLoad),
			sub("exists", -3, 0, "2.6.0", "Tells of SHA-1s whether their scripts are known.", s.scriptExists),
			sub("flush", -2, 0, "2.6.0", "Forgets all scripts.", s.scriptFlush),
			sub("kill", 2, engine.AllowBusy, "2.6.0", "Ends a script that runs too long and has written nothing.", s.scriptKill),
			sub("debug", 3, 0, "3.2.0", "Is there for NO only: there is no debugger.", scriptDebug),
			sub("help", 2, engine.Loading|engine.Stale, "5.0.0", "Tells which subcommands there are.", scriptHelp),
		}},
	}
}

// reads says that the script of a call has declared that it does not write.
func (s *Scripts) reads(args [][]byte) bool {
	if sc := s.known[strings.ToLower(string(args[1]))]; sc != nil {
		return sc.rights.ReadOnly
	}
	sc := &script{}
	_, err := sc.shebang(string(args[1]))
	return err == nil && sc.rights.ReadOnly
}

// evalKeys finds the keys of EVAL.
func evalKeys(args [][]byte) []int {
	n, ok := engine.ParseInt(args[2])
	if !ok || n <= 0 || n > int64(len(args)-3) {
		return nil
	}
	at := make([]int, n)
	for i := range at {
		at[i] = 3 + i
	}
	return at
}

// keyCount gives how many of the arguments are keys, or fails; a text that is no number is refused in the caller's words.
func keyCount(c *engine.Ctx, noNumber string) (n int, ok bool) {
	given, ok := engine.ParseInt(c.Args[2])
	switch {
	case !ok:
		c.Fail(noNumber)
	case given > int64(len(c.Args)-3):
		c.Fail("ERR Number of keys can't be greater than number of args")
	case given < 0:
		c.Fail("ERR Number of keys can't be negative")
	default:
		return int(given), true
	}
	return 0, false
}

func (s *Scripts) eval(c *engine.Ctx, bySHA, readOnly bool) {
	n, ok := keyCount(c, "ERR value is not an integer or out of range")
	if !ok {
		return
	}
	var sc *script
	var err error
	if bySHA {
		sc = s.known[strings.ToLower(string(c.Args[1]))]
	} else {
		sc, err = s.load(c.Args[1])
	}
	switch {
	case err != nil:
		c.Fail(err.Error())
	case sc == nil:
		c.Fail("NOSCRIPT No matching script. Please use EVAL.")
	case sc.flags && !sc.rights.AllowOOM && !sc.rights.ReadOnly && c.E.Full():
		c.Fail("OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'")
	case readOnly && sc.flags && !sc.rights.ReadOnly:
		c.Fail("ERR Can not execute a script with write flag using *_ro command.")
	default:
		rights := sc.rights
		rights.ReadOnly = rights.ReadOnly || readOnly
		c.Script(func() { s.perform(c, sc, rights, c.Args[3:3+n], c.Args[3+n:]) })
	}
}

func (s *Scripts) scriptLoad(c *engine.Ctx) {
	sc, err := s.load(c.Args[2])
	if err != nil {
		c.Fail(err.Error())
		return
	}
	c.Out.BulkString(sc.sha)
}

func (s *Scripts) scriptExists(c *engine.Ctx) {
	c.Out.Array(len(c.Args) - 2)
	for _, sha := range c.Args[2:] {
		var n int64
		if s.known[strings.ToLower(string(sha))] != nil {
			n = 1
		}
		c.Out.Int(n)
	}
}

func (s *Scripts) scriptFlush(c *engine.Ctx) {
	if len(c.Args) > 3 || len(c.Args) == 3 && !c.Is(2, "sync") && !c.Is(2, "async") {
		c.Fail("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
		return
	}
	s.flush()
	c.OK()
}

func (s *Scripts) scriptKill(c *engine.Ctx) { s.killRun(c, chunkName) }

// killRun ends what runs, if it is a script or a function as the caller thinks.
func (s *Scripts) killRun(c *engine.Ctx, chunk string) {
	switch {
	case s.run == nil || !c.E.Busy():
		c.Fail("NOTBUSY No scripts in execution right now.")
	case s.run.sc.chunk != chunk && chunk == chunkName:
		c.Fail("BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.")
	case s.run.sc.chunk != chunk:
		c.Fail("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.")
	case s.run.wrote():
		c.Fail("UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.")
	default:
		s.run.kill()
		c.OK()
	}
}

func scriptDebug(c *engine.Ctx) {
	if !c.Is(2, "no") {
		c.Fail("ERR there is no debugger for scripts")
		return
	}
	c.OK()
}

func scriptHelp(c *engine.Ctx) {
	lines := []string{
		"SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", "DEBUG NO", "    There is no debugger.",
		"EXISTS <sha1> [<sha1> ...]", "    Tell which scripts are known.", "FLUSH [ASYNC|SYNC]", "    Forget all scripts.",
		"KILL", "    End the script that runs too long.", "LOAD <script>", "    Compile a script without running it.", "HELP", "    Print this help.",
	}
	c.Out.Array(len(lines))
	for _, l := range lines {
		c.Out.Simple(l)
	}
}
