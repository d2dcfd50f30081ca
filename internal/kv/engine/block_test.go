package engine

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// caller is a session of a rig with somebody who waits for its answers.
type caller struct {
	r     *rig
	s     *Session
	out   *resp.Writer
	woken int
}

func (c *caller) Allow(*Command, [][]byte) string { return "" }
func (c *caller) Reply() Reply                    { return c.out }
func (c *caller) Wake()                           { c.woken++ }

func (r *rig) caller() *caller {
	c := &caller{r: r, out: resp.NewWriter()}
	c.s = r.e.NewSession(c)
	return c
}

// say runs a command line as this session and gives its answer, "(waits)" if there is none yet.
func (c *caller) say(line string) string {
	var args [][]byte
	for _, w := range words(line) {
		args = append(args, []byte(w))
	}
	c.r.e.Lock()
	defer c.r.e.Unlock()
	c.r.e.Do(c.s, args, c.out)
	if c.s.Blocked() {
		return "(waits)"
	}
	return c.answer()
}

// answer gives what has been answered since, "" if nothing was.
func (c *caller) answer() string {
	if len(c.out.Buf) == 0 {
		return ""
	}
	defer func() { c.out.Buf = c.out.Buf[:0] }()
	return readable(string(c.out.Buf))
}

// pass lets time go by.
func (r *rig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.e.Cycle()
}

// story runs lines of "who: command = answer" or "who = answer that came"; sessions come into being when they speak.
// "pass 1s" lets time go by.
func (r *rig) story(lines ...string) {
	r.t.Helper()
	who := map[string]*caller{}
	for _, line := range lines {
		if d, ok := strings.CutPrefix(line, "pass "); ok {
			long, err := time.ParseDuration(d)
			if err != nil {
				r.t.Fatal(err)
			}
			r.pass(long)
			continue
		}
		said, want, _ := strings.Cut(line, " = ")
		name, command, speaks := strings.Cut(said, ": ")
		if who[name] == nil {
			who[name] = r.caller()
		}
		got := who[name].answer()
		if speaks {
			got += who[name].say(command)
		}
		if got != want {
			r.t.Errorf("%s\n got  %q", line, got)
		}
	}
	for name, c := range who {
		if left := c.answer(); left != "" {
			r.t.Errorf("%s was answered %q, which nobody expected", name, left)
		}
	}
	if n := r.e.Stats().Panics; n > 0 {
		r.t.Errorf("%d commands have failed", n)
	}
}

func TestWaiting(t *testing.T) {
	stories := map[string][]string{
		"first come, first served": {
			"a: blpop k 0 = (waits)", "b: brpop k 0 = (waits)", "c: blmpop 0 1 k left count 5 = (waits)", "x: rpush k 1 2 3 4 = 4",
			"a = [k 1]", "b = [k 4]", "c = [k [2 3]]", "x: exists k = 0",
		},
		"the rest stays": {"a: blpop k 0 = (waits)", "x: rpush k 1 2 = 2", "a = [k 1]", "x: lrange k 0 -1 = [2]"},
		"several keys":   {"a: blpop k1 k2 k1 0 = (waits)", "x: rpush k2 v = 1", "a = [k2 v]", "x: rpush k1 v = 1", "x: rpush k2 v = 1", "a: blpop k2 k1 0 = [k2 v]"},
		"by the key that came first": {
			"a: blpop k1 k2 0 = (waits)", "x: multi = OK", "x: rpush k2 2 = QUEUED", "x: rpush k1 1 = QUEUED", "x: exec = [1 1]", "a = [k2 2]", "x: llen k1 = 1",
		},
		"time is over": {
			"a: blpop k 1 = (waits)", "b: blmove k l left right 0.5 = (waits)", "c: brpop k 1.5 = (waits)", "pass 499ms", "a = ", "b = ",
			"pass 1ms", "b = (nil)", "pass 500ms", "a = (nil)", "x: rpush k 1 = 1", "c = [k 1]", "pass 1s", "a = ",
		},
		"for ever":  {"a: blpop k 0 = (waits)", "pass 100000h", "x: lpush k 1 = 1", "a = [k 1]"},
		"bad times": {"a: blpop k -1 = -ERR timeout is negative", "a: blpop k x = -ERR timeout is not a float or out of range", "a: blpop k 1e20 = -ERR timeout is not a float or out of range"},
		"a chain": {
			"a: blmove k1 k2 left left 0 = (waits)", "b: brpoplpush k2 k3 0 = (waits)", "c: blpop k3 0 = (waits)", "x: rpush k1 v = 1",
			"a = v", "b = v", "c = [k3 v]", "x: exists k1 k2 k3 = 0",
		},
		"a circle": {
			"a: brpoplpush k1 k2 0 = (waits)", "b: brpoplpush k2 k1 0 = (waits)", "x: rpush k1 v = 1", "a = v", "b = v", "x: lrange k1 0 -1 = [v]",
		},
		"onto itself":          {"a: brpoplpush k k 0 = (waits)", "x: rpush k v = 1", "a = v", "x: lrange k 0 -1 = [v]"},
		"another type between": {"a: blpop k 0 = (waits)", "x: set k v = OK", "a = ", "x: del k = 1", "x: zadd k 1 m = 1", "x: del k = 1", "x: rpush k v = 1", "a = [k v]"},
		"another type now":     {"x: set k v = OK", "a: blpop k 0 = -WRONGTYPE Operation against a key holding the wrong kind of value"},
		"another type to move to": {
			"a: blmove k d left left 0 = (waits)", "b: blpop k 0 = (waits)", "x: set d v = OK", "x: rpush k 1 2 = 2",
			"a = -WRONGTYPE Operation against a key holding the wrong kind of value", "b = [k 1]", "x: lrange k 0 -1 = [2]",
		},
		"lists and sorted sets under one key": {
			"a: bzpopmin k 0 = (waits)", "b: blpop k 0 = (waits)", "c: bzpopmax k 0 = (waits)", "x: rpush k 1 = 1", "a = ", "b = [k 1]",
			"x: zadd k 1 m 2 n = 2", "a = [k m 1]", "c = [k n 2]",
		},
		"a transaction is one": {
			"a: blpop k 0 = (waits)", "x: multi = OK", "x: rpush k 1 = QUEUED", "x: lpush k 2 = QUEUED", "x: exec = [1 2]", "a = [k 2]", "x: lrange k 0 -1 = [1]",
		},
		"gone before the end of the transaction": {
			"a: blpop k 0 = (waits)", "x: multi = OK", "x: rpush k 1 = QUEUED", "x: del k = QUEUED", "x: exec = [1 1]", "a = ", "x: rpush k 2 = 1", "a = [k 2]",
		},
		"not within a transaction": {
			"x: multi = OK", "x: blpop k 0 = QUEUED", "x: blmove k l left left 0 = QUEUED", "x: blmpop 0 1 k left = QUEUED", "x: exec = [(nil) (nil) (nil)]",
			"x: rpush k v = 1", "x: multi = OK", "x: blpop k 0 = QUEUED", "x: exec = [[k v]]",
		},
		"renamed":     {"a: blpop k 0 = (waits)", "x: rpush l v = 1", "x: rename l k = OK", "a = [k v]"},
		"copied":      {"a: blpop k 0 = (waits)", "x: rpush l v = 1", "x: copy l k = 1", "a = [k v]"},
		"sorted":      {"a: blpop k 0 = (waits)", "x: rpush l 2 1 = 2", "x: sort l store k = 2", "a = [k 1]", "x: lrange k 0 -1 = [2]"},
		"moved":       {"a: blpop k 0 = (waits)", "x: select 1 = OK", "x: rpush k v = 1", "a = ", "x: move k 0 = 1", "a = [k v]"},
		"swapped":     {"a: blpop k 0 = (waits)", "x: select 1 = OK", "x: rpush k v = 1", "x: swapdb 0 1 = OK", "a = [k v]", "x: exists k = 0"},
		"expired":     {"a: brpop k 3 = (waits)", "x: multi = OK", "x: rpush k v = QUEUED", "x: pexpire k -1 = QUEUED", "x: exec = [1 1]", "a = ", "pass 3s", "a = (nil)"},
		"pushx later": {"a: blpop k 0 = (waits)", "x: lpushx k v = 0", "a = ", "x: lpush k v = 1", "a = [k v]"},
	}
	for name, lines := range stories {
		t.Run(name, func(t *testing.T) { newRig(t, Config{}).story(lines...) })
	}
}

// TestWaitingHasEffects says that what a waiting command did is told as what it came to.
func TestWaitingHasEffects(t *testing.T) {
	r := newRig(t, Config{})
	r.story("a: blpop k 0 = (waits)", "b: blmove k l left right 0 = (waits)", "c: brpoplpush k l 0 = (waits)", "d: blmpop 0 1 k right count 9 = (waits)",
		"x: rpush k 1 2 3 4 5 = 5", "a = [k 1]", "b = 2", "c = 5", "d = [k [4 3]]")
	var got []string
	for _, f := range r.effects {
		got = append(got, fmt.Sprintf("%s", f.args))
	}
	want := "[rpush k 1 2 3 4 5] [LPOP k] [LMOVE k l left right] [RPOPLPUSH k l] [RPOP k 2]"
	if strings.Join(got, " ") != want {
		t.Errorf("effects %s\nwant    %s", got, want)
	}
}

func TestWaitersThatLeave(t *testing.T) {
	r := newRig(t, Config{})
	a, b, c := r.caller(), r.caller(), r.caller()
	for _, w := range []*caller{a, b, c} {
		if got := w.say("blpop k1 k2 k1 10"); got != "(waits)" {
			t.Fatal(got)
		}
	}
	r.e.Lock()
	r.e.Close(a.s)
	if !r.e.Unblock(b.s, true) || r.e.Unblock(b.s, false) || r.e.Blocked() != 1 {
		t.Errorf("%d sessions wait, want 1", r.e.Blocked())
	}
	r.e.Unlock()
	if got := b.answer(); got != "-UNBLOCKED client unblocked via CLIENT UNBLOCK" {
		t.Errorf("b was answered %q", got)
	}
	r.story("x: rpush k2 v w = 2")
	if a.answer() != "" || c.answer() != "[k2 v]" || a.woken != 0 || b.woken != 1 || c.woken != 1 {
		t.Errorf("woken %d %d %d times, want 0 1 1", a.woken, b.woken, c.woken)
	}
	if d := r.e.dbs[0]; len(d.waiting) != 0 || len(r.e.waits) != 0 || r.e.Blocked() != 0 {
		t.Errorf("%d keys are waited for, %d waits end, %d sessions wait: nobody is there", len(d.waiting), len(r.e.waits), r.e.Blocked())
	}
}

// TestManyWaiters has thousands wait for one key: each is served in turn, and the work for one does not grow with the
// others.
func TestManyWaiters(t *testing.T) {
	const n = 10_000
	r := newRig(t, Config{})
	waiting := make([]*caller, n)
	for i := range waiting {
		waiting[i] = r.caller()
		waiting[i].say("blpop k " + strconv.Itoa(1000+i%7))
	}
	runs := 0
	cmd := r.e.Lookup([][]byte{[]byte("blpop")})
	run := cmd.Run
	cmd.Run = func(c *Ctx) { runs++; run(c) }
	for i, w := range waiting {
		if i%3 == 0 {
			r.e.Lock()
			r.e.Close(w.s)
			r.e.Unlock()
		}
	}
	next := 0
	for i, w := range waiting {
		if i%3 == 0 {
			continue
		}
		r.call("rpush", "k", strconv.Itoa(next))
		if got, want := w.answer(), "[k "+strconv.Itoa(next)+"]"; got != want {
			t.Fatalf("waiter %d was answered %q, want %q", i, got, want)
		}
		next++
	}
	if runs != next {
		t.Errorf("%d runs served %d", runs, next)
	}
}

// TestBlockedAreCountedWhileTheyWait counts who waits, for whatever reason, and nobody who does not any more.
func TestBlockedAreCountedWhileTheyWait(t *testing.T) {
	r := newRig(t, Config{})
	a, b, c := r.caller(), r.caller(), r.caller()
	a.say("wait 1 10")
	b.say("wait 1 0")
	c.say("blpop k 0")
	if n := r.e.Blocked(); n != 3 {
		t.Errorf("%d wait of 3", n)
	}
	r.pass(10 * time.Millisecond)
	if n := r.e.Blocked(); n != 2 || a.answer() != "0" {
		t.Errorf("%d wait of 2", n)
	}
	r.e.Close(b.s)
	r.say("rpush k v")
	if n := r.e.Blocked(); n != 0 {
		t.Errorf("%d wait, and nobody does", n)
	}
}
