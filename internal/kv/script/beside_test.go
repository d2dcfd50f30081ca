package script_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/kv/engine"
	"github.com/wayside-edge/wayside/internal/kv/resp"
	"github.com/wayside-edge/wayside/internal/kv/script"
)

// long is a box whose scripts run too long at once: "while redis.call('wait-beside') == 0 do end" goes on until beside has run.
type long struct {
	*box
	beside func()
	over   bool
	log    []string // what Effects takes
}

func newLong(cfg engine.Config) *long {
	l := &long{}
	s := script.New(script.Config{Limit: 1, Double: resp.AppendDouble})
	look := &engine.Command{Name: "wait-beside", Arity: 1, Flags: engine.ReadOnly, Run: func(c *engine.Ctx) {
		n := int64(0)
		if l.over {
			n = 1
		}
		c.Out.Int(n)
	}}
	cfg.Commands = [][]*engine.Command{s.Commands(), {look}}
	cfg.Effects = (*longLog)(l)
	cfg.Hooks.Beside = func(*engine.Session) bool {
		l.beside()
		l.over = true
		return true
	}
	l.box = &box{e: engine.New(cfg), w: resp.NewWriter()}
	l.s = l.e.NewSession(nil)
	return l
}

type longLog long

func (l *longLog) Begin() { l.log = append(l.log, "begin") }
func (l *longLog) End()   { l.log = append(l.log, "end") }
func (l *longLog) Effect(_ int, args [][]byte) {
	l.log = append(l.log, fmt.Sprintf("%s", args))
}

// waiter is a session that may wait.
type waiter struct{ *box }

func (w *waiter) Allow(*engine.Command, [][]byte) string { return "" }
func (w *waiter) Reply() engine.Reply                    { return w.w }
func (w *waiter) Wake()                                  {}

// TestAScriptThatLetsOthersInIsOne has a client wait for a key that a script has just made when another is let in: it is served
// when the script has ended, and what the script did is one group.
func TestAScriptThatLetsOthersInIsOne(t *testing.T) {
	b := newLong(engine.Config{})
	a := &waiter{&box{e: b.e, w: resp.NewWriter()}}
	a.s = b.e.NewSession(a)
	a.do("BLPOP", "k", "0")
	other := &box{e: b.e, s: b.e.NewSession(nil), w: resp.NewWriter()}
	b.beside = func() { other.do("MULTI") }
	if got := b.do("EVAL", "redis.call('rpush', 'k', 'x') while redis.call('wait-beside') == 0 do end redis.call('rpush', 'k', 'y') return redis.call('llen', 'k')", "0"); got != ":2\r\n" {
		t.Errorf("the script answers %q", got)
	}
	if got := string(a.w.Buf); got != "*2\r\n$1\r\nk\r\n$1\r\nx\r\n" {
		t.Errorf("who waits gets %q", got)
	}
	if diff := cmp.Diff([]string{"begin", "[rpush k x]", "[rpush k y]", "end", "begin", "[LPOP k]", "end"}, b.log); diff != "" {
		t.Error(diff)
	}
}

// TestMemoryIsJudgedBeforeAScriptWrites has scripts go over the bound of memory: one that found room writes all that it has to,
// and no key goes meanwhile, whoever is let in; one that found none writes nothing, unless it said that it may.
func TestMemoryIsJudgedBeforeAScriptWrites(t *testing.T) {
	b := newLong(engine.Config{})
	other := &box{e: b.e, s: b.e.NewSession(nil), w: resp.NewWriter()}
	b.beside = func() { other.do("MULTI") }
	const fill = "for i = 1, 100 do redis.call('set', ARGV[1] .. i, string.rep('x', 1000)) end while redis.call('wait-beside') == 0 do end return 1"
	for _, p := range []engine.Policy{engine.NoEviction, engine.AllKeysLRU} {
		b.do("FLUSHALL")
		b.e.SetMaxMemory(16<<10, p)
		b.over = false
		if got := b.do("EVAL", fill, "0", "k"); got != ":1\r\n" {
			t.Errorf("%s: a script that found room answers %q", p, got)
		}
		if n, _ := b.e.Size(0); n != 100 || b.e.Stats().Evicted != 0 {
			t.Errorf("%s: %d keys are there, %d are gone", p, n, b.e.Stats().Evicted)
		}
	}
	b.do("FLUSHALL")
	b.e.SetMaxMemory(1, engine.NoEviction)
	b.over = true
	for text, want := range map[string]string{
		fill:             "-OOM command not allowed when used memory > 'maxmemory'. script: *, on @user_script:1.\r\n",
		"#!lua\n" + fill: "-OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'\r\n",
		"#!lua flags=no-writes\nreturn redis.call('exists', 'k')": ":0\r\n",
		"redis.call('del', 'k') return redis.call('set', 'k', 1)": "+OK\r\n", // it has written, as Redis has it
		"#!lua flags=allow-oom\n" + fill:                          ":1\r\n",
	} {
		if got := b.do("EVAL", text, "0", "k"); !engine.Glob([]byte(want), []byte(got)) {
			t.Errorf("%s: %q", text, got)
		}
		if n, _ := b.e.Size(0); n > 0 && want[0] == '-' {
			t.Errorf("%s: %d keys are there", text, n)
		}
		b.do("FLUSHALL")
	}
}

// TestWhatASaveCountsDoesNotSayWhetherAScriptWrote has a save begin its count of changes anew while a script runs.
func TestWhatASaveCountsDoesNotSayWhetherAScriptWrote(t *testing.T) {
	for text, want := range map[string]string{
		"while redis.call('wait-beside') == 0 do end":                                                   "+OK\r\n",
		"redis.call('set', 'a', 1) while redis.call('wait-beside') == 0 do end":                         "-UNKILLABLE*",
		"redis.pcall('incr', 'text') while redis.call('wait-beside') == 0 do end":                       "-UNKILLABLE*",
		"redis.pcall('incr') redis.pcall('nothing') while redis.call('wait-beside') == 0 do end":        "+OK\r\n",
		"#!lua flags=no-writes\nredis.pcall('set', 'a', 1) while redis.call('wait-beside') == 0 do end": "+OK\r\n",
	} {
		b := newLong(engine.Config{})
		b.do("SET", "text", "x")
		other := &box{e: b.e, s: b.e.NewSession(nil), w: resp.NewWriter()}
		b.beside = func() {
			b.e.Lock()
			b.e.Stats().Dirty = 0
			b.e.Unlock()
			if got := other.do("SCRIPT", "KILL"); !engine.Glob([]byte(want), []byte(got)) {
				t.Errorf("%s: SCRIPT KILL says %q", text, got)
			}
		}
		for _, before := range []int64{0, 1} {
			b.e.Stats().Dirty, b.over = before, false
			b.do("EVAL", text, "0")
		}
	}
}
