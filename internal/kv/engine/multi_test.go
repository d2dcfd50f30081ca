package engine

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

func TestTransactions(t *testing.T) {
	const aborted = "-EXECABORT Transaction discarded because of previous errors."
	stories := map[string][]string{
		"all of it":         {"a: multi = OK", "a: set k 1 = QUEUED", "a: incr k = QUEUED", "a: lpush k x = QUEUED", "a: get k = QUEUED", "a: exec = [OK 2 " + wrongType + " 2]", "a: get k = 2"},
		"none of it":        {"a: multi = OK", "a: set k 1 = QUEUED", "a: discard = OK", "a: get k = (nil)", "a: discard = -ERR DISCARD without MULTI", "a: exec = -ERR EXEC without MULTI"},
		"nothing at all":    {"a: multi = OK", "a: exec = []"},
		"no nesting":        {"a: multi = OK", "a: multi = -ERR MULTI calls can not be nested", "a: watch k = -ERR WATCH inside MULTI is not allowed", "a: set k 1 = QUEUED", "a: exec = [OK]"},
		"a wrong command":   {"a: multi = OK", "a: set k 1 = QUEUED", "a: nonsense x = -ERR unknown command 'nonsense', with args beginning with: 'x' ", "a: exec = " + aborted, "a: get k = (nil)", "a: set k 2 = OK"},
		"a wrong number":    {"a: multi = OK", "a: get = -ERR wrong number of arguments for 'get' command", "a: set k 1 = QUEUED", "a: exec = " + aborted, "a: exists k = 0"},
		"EXEC itself wrong": {"a: multi = OK", "a: exec x = -EXECABORT Transaction discarded because of: ERR wrong number of arguments for 'exec' command", "a: exec = -ERR EXEC without MULTI"},
		"watched and changed": {
			"a: watch k l = OK", "b: set k 1 = OK", "a: multi = OK", "a: set k 2 = QUEUED", "a: exec = (nil)", "a: get k = 1",
			"a: multi = OK", "a: set k 3 = QUEUED", "a: exec = [OK]",
		},
		"watched and left alone":  {"a: set k 1 = OK", "a: watch k l = OK", "b: get k = 1", "b: set m 1 = OK", "a: multi = OK", "a: incr k = QUEUED", "a: exec = [2]"},
		"changed by itself":       {"a: watch k = OK", "a: set k 1 = OK", "a: multi = OK", "a: get k = QUEUED", "a: exec = (nil)"},
		"unwatched":               {"a: watch k = OK", "b: set k 1 = OK", "a: unwatch = OK", "a: multi = OK", "a: get k = QUEUED", "a: exec = [1]"},
		"unwatched by DISCARD":    {"a: watch k = OK", "b: set k 1 = OK", "a: multi = OK", "a: discard = OK", "a: multi = OK", "a: get k = QUEUED", "a: exec = [1]"},
		"tried in vain":           {"a: watch k = OK", "b: lpushx k 1 = 0", "b: del k = 0", "b: srem k x = 0", "a: multi = OK", "a: exists k = QUEUED", "a: exec = [0]"},
		"of every kind":           {"a: watch k = OK", "b: sadd k m = 1", "a: multi = OK", "a: exec = (nil)", "a: watch k = OK", "b: sadd k m = 0", "a: multi = OK", "a: exec = []", "a: watch k = OK", "b: spop k = m", "a: multi = OK", "a: exec = (nil)"},
		"in another database":     {"a: watch k = OK", "b: select 1 = OK", "b: set k 1 = OK", "a: multi = OK", "a: exec = []"},
		"its time is over":        {"a: set k 1 px 100 = OK", "a: watch k = OK", "pass 101ms", "a: multi = OK", "a: exec = (nil)"},
		"its time was over":       {"b: debug set-active-expire 0 = OK", "a: set k 1 px 100 = OK", "pass 101ms", "a: watch k = OK", "a: multi = OK", "a: exec = []"},
		"over and looked at":      {"b: debug set-active-expire 0 = OK", "a: set k 1 px 100 = OK", "a: watch k = OK", "pass 101ms", "b: get k = (nil)", "a: multi = OK", "a: exec = (nil)"},
		"expires within":          {"a: watch k = OK", "b: set k 1 = OK", "b: pexpire k -1 = 1", "a: multi = OK", "a: exec = (nil)"},
		"flushed":                 {"a: set k 1 = OK", "a: watch k = OK", "b: flushdb = OK", "a: multi = OK", "a: exec = (nil)"},
		"nothing to flush":        {"a: set m 1 = OK", "a: watch k = OK", "b: flushall = OK", "a: multi = OK", "a: exec = []"},
		"all flushed":             {"a: set k 1 = OK", "a: watch k = OK", "b: select 3 = OK", "b: flushall = OK", "a: multi = OK", "a: exec = (nil)"},
		"swapped away":            {"a: set k 1 = OK", "a: watch k = OK", "b: swapdb 0 1 = OK", "a: multi = OK", "a: exec = (nil)"},
		"swapped in":              {"b: select 1 = OK", "b: set k 1 = OK", "a: watch k = OK", "b: swapdb 0 1 = OK", "a: multi = OK", "a: exec = (nil)"},
		"swapped by its number":   {"a: set k 1 = OK", "a: watch k = OK", "b: swapdb 1 0 = OK", "a: multi = OK", "a: exec = (nil)"},
		"swapped elsewhere":       {"a: set k 1 = OK", "a: watch k = OK", "b: swapdb 2 3 = OK", "a: multi = OK", "a: exec = []"},
		"swapped without the key": {"a: set m 1 = OK", "a: watch k = OK", "b: swapdb 0 1 = OK", "a: multi = OK", "a: exec = []"},
		"renamed":                 {"a: set k 1 = OK", "a: watch m = OK", "b: rename k m = OK", "a: multi = OK", "a: exec = (nil)"},
		"copied to":               {"a: set k 1 = OK", "a: watch m = OK", "b: copy k m = 1", "a: multi = OK", "a: exec = (nil)"},
		"stored to":               {"a: sadd s 1 = 1", "a: watch m = OK", "b: sinterstore m s s = 1", "a: multi = OK", "a: exec = (nil)", "a: watch m = OK", "b: sinterstore m s no = 0", "a: multi = OK", "a: exec = (nil)"},
		"by who was waiting":      {"b: blmove l k left left 0 = (waits)", "a: watch k = OK", "c: rpush l v = 1", "b = v", "a: multi = OK", "a: exec = (nil)"},
		"select within":           {"a: multi = OK", "a: set k 1 = QUEUED", "a: select 2 = QUEUED", "a: set k 2 = QUEUED", "a: exec = [OK OK OK]", "a: get k = 2", "a: select 0 = OK", "a: get k = 1"},
		"waiters come afterwards": {"b: blpop l 0 = (waits)", "a: multi = OK", "a: rpush l 1 2 = QUEUED", "a: lpop l = QUEUED", "a: rpush l 3 = QUEUED", "a: exec = [2 1 2]", "b = [l 2]", "a: lrange l 0 -1 = [3]"},
		"a move within":           {"b: blpop m 0 = (waits)", "a: rpush l v = 1", "a: multi = OK", "a: blmove l m left left 0 = QUEUED", "a: blmove l m left left 0 = QUEUED", "a: llen m = QUEUED", "a: exec = [v (nil) 1]", "b = [m v]"},
	}
	for name, lines := range stories {
		t.Run(name, func(t *testing.T) { newRig(t, Config{Debug: true}).story(lines...) })
	}
}

// TestWatchesEnd says that a session leaves nothing behind among those that watch.
func TestWatchesEnd(t *testing.T) {
	ends := map[string]func(r *rig, c *caller){
		"closed":    func(r *rig, c *caller) { r.e.Close(c.s) },
		"unwatched": func(_ *rig, c *caller) { c.say("unwatch") },
		"executed":  func(_ *rig, c *caller) { c.say("multi"); c.say("exec") },
		"stale":     func(r *rig, c *caller) { r.call("set", "a", "1"); c.say("multi"); c.say("exec") },
		"broken":    func(_ *rig, c *caller) { c.say("multi"); c.say("nonsense"); c.say("exec") },
	}
	for name, end := range ends {
		r := newRig(t, Config{})
		a, b := r.caller(), r.caller()
		for range 2 {
			a.say("watch a b c a")
			b.say("watch b")
		}
		if a.s.Watching() != 3 {
			t.Errorf("%s: watches %d keys", name, a.s.Watching())
		}
		end(r, a)
		if w := r.e.dbs[0].watched; len(w) != 1 || len(w["b"]) != 1 || a.s.Watching() != 0 || b.s.Watching() != 1 {
			t.Errorf("%s: %v are watched", name, w)
		}
	}
}

// TestTransactionIsOneEffect says that a log repeats all of a transaction or nothing of it.
func TestTransactionIsOneEffect(t *testing.T) {
	r := newRig(t, Config{})
	var log groups
	r.e.cfg.Effects = &log
	r.story("b: blpop l 0 = (waits)", "a: multi = OK", "a: set k 1 = QUEUED", "a: rpush l 1 2 = QUEUED", "a: get k = QUEUED", "a: exec = [OK 2 1]", "b = [l 1]")
	if got, want := string(log), "(set rpush) (LPOP) "; got != want {
		t.Errorf("effects %q, want %q", got, want)
	}
}

// groups writes effects down with brackets around what belongs together.
type groups []byte

func (g *groups) Begin() { *g = append(*g, '(') }

func (g *groups) Effect(_ int, args [][]byte) {
	if n := len(*g); n > 0 && (*g)[n-1] != '(' {
		*g = append(*g, ' ')
	}
	*g = append(*g, args[0]...)
}

func (g *groups) End() { *g = append(*g, ") "...) }

// TestAQueueGivesBackWhatItTook puts commands of all lengths into a transaction, some longer than its pieces.
func TestAQueueGivesBackWhatItTook(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	rows := []*Command{{Name: "a"}, {Name: "b", Flags: DenyOOM}, {Name: "c", Flags: Write}}
	type call struct {
		cmd  *Command
		args [][]byte
	}
	var queue transaction
	var calls []call
	for range 3000 {
		c := call{cmd: rows[rng.IntN(len(rows))]}
		for range 1 + rng.IntN(20) {
			n := rng.IntN(20)
			if rng.IntN(500) == 0 {
				n = rng.IntN(3 * mostPiece)
			}
			c.args = append(c.args, bytes.Repeat([]byte{byte(rng.IntN(256))}, n))
		}
		queue.add(c.cmd, c.args)
		calls = append(calls, c)
	}
	n, size := 0, 0
	queue.each(func(cmd *Command, args [][]byte) {
		if n >= len(calls) || cmd != calls[n].cmd || !bytes.Equal(bytes.Join(args, []byte{0}), bytes.Join(calls[n].args, []byte{0})) || len(args) != len(calls[n].args) {
			t.Fatalf("command %d is another one", n)
		}
		for _, a := range args {
			size += len(a)
		}
		n++
	})
	if n != len(calls) || queue.n != n || !queue.denyOOM || !queue.writes || queue.bytes < size {
		t.Errorf("%d of %d commands, which take %d bytes for %d", n, len(calls), queue.bytes, size)
	}
}
