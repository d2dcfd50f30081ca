package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestKeys(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`mset a 1 b 2 c 3`, "OK"},
		{`exists a a none`, "2"},
		{`touch a none`, "1"},
		{`type a`, "string"},
		{`type none`, "none"},
		{`dbsize`, "3"},
		{`unlink a none`, "1"},
		{`del a b`, "1"},
		{`keys *`, "[c]"},
		{`keys d*`, "[]"},
		{`randomkey`, "c"},
		{`rename none x`, "-ERR no such key"},
		{`rename c c`, "OK"},
		{`renamenx c c`, "0"},
		{`expire c 100`, "1"},
		{`rename c d`, "OK"},
		{`ttl d`, "100"},
		{`set e 5`, "OK"},
		{`renamenx d e`, "0"},
		{`rename d e`, "OK"},
		{`get e`, "3"},
		{`copy e f`, "1"},
		{`ttl f`, "100"},
		{`copy e f`, "0"},
		{`set e 9`, "OK"},
		{`copy e f replace`, "1"},
		{`get f`, "9"},
		{`ttl f`, "-1"},
		{`copy e e`, "-" + errSameObject},
		{`copy e e db 1`, "1"},
		{`copy e e db 99`, "-" + errDBRange},
		{`copy e e db`, "-ERR syntax error"},
		{`copy none x`, "0"},
		{`move e 1`, "0"},
		{`move f 1`, "1"},
		{`move f 1`, "0"},
		{`move e 0`, "-" + errSameObject},
		{`move e 16`, "-" + errDBRange},
		{`move e x`, "-ERR value is not an integer or out of range"},
		{`select 1`, "OK"},
		{`dbsize`, "2"},
		{`select 16`, "-" + errDBRange},
		{`select x`, "-ERR value is not an integer or out of range"},
		{`swapdb 0 1`, "OK"},
		{`dbsize`, "1"},
		{`swapdb x 1`, "-ERR invalid first DB index"},
		{`swapdb 0 x`, "-ERR invalid second DB index"},
		{`swapdb 0 16`, "-" + errDBRange},
		{`flushdb maybe`, "-ERR syntax error"},
		{`flushdb async`, "OK"},
		{`dbsize`, "0"},
		{`select 0`, "OK"},
		{`dbsize`, "2"},
		{`flushall`, "OK"},
		{`dbsize`, "0"},
		{`wait 0 0`, "0"},
		{`wait 0 -1`, "-ERR timeout is negative"},
		{`wait 0 x`, "-ERR timeout is not an integer or out of range"},
		{`randomkey`, "(nil)"},
	}...)
}

func TestObject(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`set a 12`, "OK"},
		{`object encoding a`, "int"},
		{`set a 012`, "OK"},
		{`object encoding a`, "embstr"},
		{`set a ` + strings.Repeat("x", 45), "OK"},
		{`object encoding a`, "raw"},
		{`object encoding none`, "(nil)"},
		{`object refcount a`, "1"},
		{`object what a`, "-ERR unknown subcommand 'what'. Try OBJECT HELP."},
		{`memory usage none`, "(nil)"},
		{`memory usage a samples -1`, "-ERR syntax error"},
		{`memory usage a samples 5`, "144"},
		{`setrange a 0 x`, "45"},
		{`debug jmap`, "-" + errNoDebug},
	}...)
}

func TestDebug(t *testing.T) {
	r := newRig(t, Config{Debug: true})
	r.steps([][2]string{
		{`mset a 1 b 2`, "OK"},
		{`expire a 100`, "1"},
		{`debug reload`, "OK"},
		{`ttl a`, "100"},
		{`get b`, "2"},
		{`debug jmap`, "OK"},
		{`debug stringmatch-len 9223372036854775807 a*b`, "0"},
		{`debug sleep 0`, "OK"},
		{`debug object none`, "-ERR no such key"},
		{`debug set-active-expire 0`, "OK"},
		{`debug protocol integer`, "12345"},
	}...)
	r.now = r.now.Add(1000 * 1e9)
	r.e.Cycle()
	r.steps([][2]string{{`dbsize`, "2"}, {`debug set-active-expire 1`, "OK"}}...)
	r.e.Cycle()
	r.steps([2]string{`dbsize`, "1"})
	r.checkBytes()
}

func TestScan(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([][2]string{
		{`scan x`, "-ERR invalid cursor"},
		{`scan -1`, "-ERR invalid cursor"},
		{`scan 0 count 0`, "-ERR syntax error"},
		{`scan 0 count`, "-ERR syntax error"},
		{`scan 0 count x`, "-ERR value is not an integer or out of range"},
		{`scan 18446744073709551615 count 9223372036854775807`, "[0 []]"},
	}...)
	for i := range 3000 {
		r.call("set", fmt.Sprint("key:", i), "v")
	}
	for _, options := range []string{"", "count 100", "count 9223372036854775807", "match key:*7", "type string", "type list", "match none"} {
		met, cursor := map[string]bool{}, "0"
		for calls := 0; ; calls++ {
			answer := strings.TrimSuffix(strings.TrimPrefix(r.say("scan "+cursor+" "+options), "["), "]")
			next, keys, _ := strings.Cut(answer, " [")
			for key := range strings.FieldsSeq(strings.TrimSuffix(keys, "]")) {
				met[key] = true
			}
			if cursor = next; cursor == "0" {
				break
			}
			if calls > 3000 {
				t.Fatal("the scan does not end")
			}
		}
		want := map[string]int{"match key:*7": 300, "type list": 0, "match none": 0}
		n, ok := want[options]
		if !ok {
			n = 3000
		}
		if len(met) != n {
			t.Errorf("scan %s met %d keys, want %d", options, len(met), n)
		}
	}
}

// TestEvents checks what keyspace events commands have.
func TestEvents(t *testing.T) {
	r := newRig(t, Config{})
	r.e.SetNotify("KEAn")
	for _, c := range []struct{ line, want string }{
		{"set a 1 ex 10", "new a,set a,expire a"},
		{"persist a", "persist a"},
		{"rename a b", "new b,rename_from a,rename_to b"},
		{"copy b a", "new a,copy_to a"},
		{"append a x", "append a"},
		{"setbit a 0 1", "setbit a"},
		{"incr n", "new n,incrby n"},
		{"incrbyfloat n 1", "incrbyfloat n"},
		{"getdel n", "del n"},
		{"expire a -1", "del a"},
		{"pfadd h 1", "new h,pfadd h"},
		{"pfmerge h2 h", "new h2,pfadd h2"},
		{"bitop not c b", "new c,set c"},
		{"bitop not c none", "del c"},
		{"setrange s 0 x", "new s,setrange s"},
		{"setrange s 0 \"\"", ""},
		{"move s 1", "new s,move_from s,move_to s"},
		{"getex b px 5", "expire b"},
		{"bitfield f set u8 0 1", "new f,setbit f"},
	} {
		r.events = nil
		r.say(c.line)
		for i, e := range r.events {
			r.events[i] = e[2:]
		}
		if got := strings.Join(r.events, ","); got != c.want {
			t.Errorf("%s has the events %q, want %q", c.line, got, c.want)
		}
	}
}

// TestWatched has a transaction given up by whatever changes a watched key.
func TestWatched(t *testing.T) {
	for _, change := range []string{"set a 2", "incr a", "append a x", "del a", "rename a b", "expire a 10", "flushall", "flushdb", "swapdb 0 1", "copy b a replace", "move a 1", "setbit a 0 1", "pfmerge a", "getex a ex 5", "msetnx a 1"} {
		r := newRig(t, Config{})
		r.steps([][2]string{{`mset a 1 b 2`, "OK"}, {`watch a`, "OK"}}...)
		first := r.s
		r.s = r.e.NewSession(nil)
		got := r.say(change)
		r.s = first
		keeps := change == "pfmerge a" || change == "msetnx a 1" // they fail
		r.say("multi")
		if exec := r.say("exec"); (exec == "[]") != keeps {
			t.Errorf("%s (%s), then exec: %s", change, got, exec)
		}
	}
}

// TestRandomkey meets keys that have ended only.
func TestRandomkey(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 1000 {
		r.call("set", fmt.Sprint(i), "v", "px", "1")
	}
	r.say("set stays 1")
	r.now = r.now.Add(1e9)
	if got := r.say("randomkey"); got != "stays" {
		t.Errorf("randomkey: %s", got)
	}
}

// TestTable checks that every command of this part's families says all of itself.
func TestTable(t *testing.T) {
	var names []string
	for c := range newTable(slices.Concat(stringCommands(), bitCommands(), hllCommands(), genericCommands(), keyspaceCommands(), expireCommands(), objectCommands(), sortCommands())).all() {
		names = append(names, c.Name)
		for _, c := range append([]*Command{c}, c.Sub...) {
			if c.Arity == 0 || c.Group == "" || c.Since == "" || c.Complexity == "" || !strings.HasSuffix(c.Summary, ".") || c.Run == nil && c.Sub == nil {
				t.Errorf("%s is not whole: %+v", c.FullName(), c)
			}
			if c.Flags&(Write|ReadOnly) == Write|ReadOnly {
				t.Errorf("%s writes and does not", c.FullName())
			}
		}
	}
	if len(names) < 60 {
		t.Errorf("%d commands: %v", len(names), names)
	}
}
