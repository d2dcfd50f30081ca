package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

func TestZAdd(t *testing.T) {
	newRig(t, Config{}).steps(
		[2]string{"zadd z 1 a 2 b", "2"}, [2]string{"zadd z 1 a 3 b", "0"}, [2]string{"zadd z ch 1 a 4 b 5 c", "2"},
		[2]string{"zadd z nx 9 a 9 d", "1"}, [2]string{"zadd z xx 9 a 9 e", "0"}, [2]string{"zrange z 0 -1 withscores", "[b 4 c 5 a 9 d 9]"},
		[2]string{"zadd z gt ch 1 a 10 d", "1"}, [2]string{"zadd z lt ch 1 a 11 d", "1"}, [2]string{"zadd z incr 2 a", "3"},
		[2]string{"zadd z nx incr 2 a", "(nil)"}, [2]string{"zadd z gt incr -2 a", "(nil)"}, [2]string{"zadd none xx incr 2 a", "(nil)"},
		[2]string{"zincrby z -1.5 a", "1.5"}, [2]string{"zadd z inf i", "1"},
		[2]string{"zincrby z -inf i", "-ERR resulting score is not a number (NaN)"},
		[2]string{"zadd z", "-ERR wrong number of arguments for 'zadd' command"}, [2]string{"zadd z 1 a 2", "-ERR syntax error"},
		[2]string{"zadd z nx xx 1 a", "-ERR XX and NX options at the same time are not compatible"},
		[2]string{"zadd z gt lt 1 a", "-ERR GT, LT, and/or NX options at the same time are not compatible"},
		[2]string{"zadd z incr 1 a 2 b", "-ERR INCR option supports a single increment-element pair"},
		[2]string{"zadd z 1 n nan m", "-ERR value is not a valid float"}, [2]string{"zscore z n", "(nil)"},
		[2]string{"zmscore z a n i", "[1.5 (nil) inf]"}, [2]string{"zrem z a n b", "2"}, [2]string{"zcard z", "3"},
		[2]string{"set s x", "OK"}, [2]string{"zadd s 1 a", "-" + errWrongType}, [2]string{"zcard s", "-" + errWrongType},
	)
}

func TestZRange(t *testing.T) {
	newRig(t, Config{}).steps(
		[2]string{"zadd z 1 a 2 b 3 c 4 d", "4"}, [2]string{"zrange z 1 -2", "[b c]"}, [2]string{"zrevrange z 0 1 withscores", "[d 4 c 3]"},
		[2]string{"zrange z 0 0 rev", "[d]"}, [2]string{"zrange z 5 9", "[]"}, [2]string{"zrange z -9223372036854775808 9223372036854775807", "[a b c d]"},
		[2]string{"zrange z (1 3 byscore", "[b c]"}, [2]string{"zrange z 3 (1 byscore rev", "[c b]"},
		[2]string{"zrange z -inf +inf byscore limit 1 2", "[b c]"}, [2]string{"zrange z +inf -inf byscore rev limit 1 2", "[c b]"},
		[2]string{"zrangebyscore z -inf inf limit -1 2", "[]"}, [2]string{"zrangebyscore z -inf inf limit 2 -1", "[c d]"},
		[2]string{"zrangebyscore z 1 2 limit 9223372036854775807 9223372036854775807", "[]"},
		[2]string{"zrevrangebyscore z 3 2 withscores", "[c 3 b 2]"}, [2]string{"zrange z x y byscore", "-" + errMinMax},
		[2]string{"zrange z 0 1 limit 0 1", "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"},
		[2]string{"zrange z [a [b bylex withscores", "-ERR syntax error, WITHSCORES not supported in combination with BYLEX"},
		[2]string{"zcount z (1 +inf", "3"}, [2]string{"zcount z 3 1", "0"}, [2]string{"zrank z c", "2"}, [2]string{"zrevrank z c", "1"}, [2]string{"zrank z x", "(nil)"},
		[2]string{"zadd l 0 a 0 b 0 c", "3"}, [2]string{"zrangebylex l - (c", "[a b]"}, [2]string{"zrevrangebylex l + [b", "[c b]"},
		[2]string{"zlexcount l - +", "3"}, [2]string{"zlexcount l + -", "0"}, [2]string{"zrangebylex l a b", "-" + errLexRange},
		[2]string{"zrangestore y z 2 3 byscore", "2"}, [2]string{"zrange y 0 -1", "[b c]"}, [2]string{"zrangestore y z 9 10", "0"}, [2]string{"exists y", "0"},
		[2]string{"zremrangebyrank l 0 0", "1"}, [2]string{"zremrangebylex l [b (c", "1"}, [2]string{"zremrangebyscore z (1 3", "2"}, [2]string{"zrange z 0 -1", "[a d]"},
	)
}

func TestZAlgebra(t *testing.T) {
	newRig(t, Config{}).steps(
		[2]string{"zadd a 1 x 2 y 3 z", "3"}, [2]string{"zadd b 10 y 20 z 30 w", "3"},
		[2]string{"zunion 2 a b withscores", "[x 1 y 12 z 23 w 30]"}, [2]string{"zinter 2 a b withscores", "[y 12 z 23]"},
		[2]string{"zinter 2 a b weights 2 0.5 aggregate max withscores", "[y 5 z 10]"}, [2]string{"zdiff 2 a b withscores", "[x 1]"},
		[2]string{"zdiff 1 none", "[]"}, [2]string{"zintercard 2 a b limit 1", "1"}, [2]string{"zintercard 2 a none", "0"},
		[2]string{"zunionstore a 2 a b aggregate min", "4"}, [2]string{"zrange a 0 -1 withscores", "[x 1 y 2 z 3 w 30]"},
		[2]string{"zinterstore a 2 a none", "0"}, [2]string{"exists a", "0"},
		[2]string{"zunion 0 a", "-ERR at least 1 input key is needed for 'zunion' command"}, [2]string{"zunion 9 a", "-ERR syntax error"},
		[2]string{"zunion 1 b weights x", "-ERR weight value is not a float"}, [2]string{"zdiff 1 b weights 1", "-ERR syntax error"},
		[2]string{"zintercard 1 b limit -1", "-ERR LIMIT can't be negative"},
		[2]string{"zadd p inf m", "1"}, [2]string{"zadd q -inf m", "1"}, [2]string{"zunion 2 p q withscores", "[m 0]"},
		[2]string{"zunion 1 p weights 0 withscores", "[m 0]"}, [2]string{"set s x", "OK"}, [2]string{"zunion 1 s", "-" + errWrongType},
		[2]string{"sadd n 1 2 3", "3"}, [2]string{"sadd t x y", "2"}, [2]string{"zunion 3 b t n weights 1 2 0.5 withscores", "[1 0.5 2 0.5 3 0.5 x 2 y 12 z 20 w 30]"},
		[2]string{"zinter 2 t b withscores", "[y 11]"}, [2]string{"zdiff 2 t b", "[x]"}, [2]string{"zdiffstore t 2 n t", "3"}, [2]string{"zrange t 0 -1", "[1 2 3]"},
	)
}

func TestZPop(t *testing.T) {
	r := newRig(t, Config{})
	r.steps(
		[2]string{"zadd z 1 a 2 b 3 c 4 d 5 e", "5"}, [2]string{"zpopmin z", "[a 1]"}, [2]string{"zpopmax z 2", "[e 5 d 4]"},
		[2]string{"zpopmin z 0", "[]"}, [2]string{"zpopmin z -1", "-" + errNegative}, [2]string{"zpopmin none", "[]"},
		[2]string{"zmpop 2 none z min", "[z [[b 2]]]"}, [2]string{"zmpop 1 z max count 9", "[z [[c 3]]]"}, [2]string{"zmpop 1 z max", "(nil)"},
		[2]string{"exists z", "0"}, [2]string{"zmpop 0 z min", "-ERR numkeys should be greater than 0"}, [2]string{"zmpop 1 z min count 0", "-ERR count should be greater than 0"},
		[2]string{"zmpop 1 z both", "-ERR syntax error"}, [2]string{"bzpopmin z -1", "-" + errTimeoutNegative}, [2]string{"bzpopmin z x", "-" + errTimeout},
		[2]string{"bzmpop 1e300 1 z min", "-" + errTimeout},
	)
	r.effects = nil
	r.call("zadd", "z", "1", "a", "2", "b", "3", "c")
	r.steps([2]string{"bzpopmax z 0", "[z c 3]"}, [2]string{"bzmpop 0 1 z min count 5", "[z [[a 1] [b 2]]]"})
	wantEffects(t, r, "zadd z 1 a 2 b 3 c", "ZPOPMAX z 1", "ZPOPMIN z 2")
}

func wantEffects(t *testing.T, r *rig, want ...string) {
	t.Helper()
	var got []string
	for _, f := range r.effects {
		var list []string
		for _, a := range f.args {
			list = append(list, string(a))
		}
		got = append(got, strings.Join(list, " "))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("effects\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// rigPeer owns a session that waits.
type rigPeer struct {
	s     *Session
	out   *resp.Writer
	awake bool
}

func (p *rigPeer) Allow(*Command, [][]byte) string { return "" }
func (p *rigPeer) Reply() Reply                    { return p.out }
func (p *rigPeer) Wake()                           { p.awake = true }

// waits has another session run a command, and wants it to wait.
func (r *rig) waits(line string) *rigPeer {
	r.t.Helper()
	p := &rigPeer{out: resp.NewWriter()}
	p.s = r.e.NewSession(p)
	var args [][]byte
	for _, w := range words(line) {
		args = append(args, []byte(w))
	}
	r.e.Lock()
	defer r.e.Unlock()
	if r.e.Do(p.s, args, p.out); !p.s.Blocked() {
		r.t.Errorf("%s does not wait: %q", line, p.out.Buf)
	}
	return p
}

func (p *rigPeer) want(t *testing.T, answer string) {
	t.Helper()
	if got := readable(string(p.out.Buf)); got != answer {
		t.Errorf("who has waited gets %q, want %q", got, answer)
	}
}

func TestZPopWaits(t *testing.T) {
	r := newRig(t, Config{})
	first, second := r.waits("bzpopmin y z 0"), r.waits("bzmpop 0 2 z y max count 2")
	r.call("set", "y", "no sorted set")
	r.call("zadd", "z", "1", "a")
	first.want(t, "[z a 1]")
	second.want(t, "(nothing)")
	r.call("zadd", "z", "1", "a", "2", "b", "3", "c")
	second.want(t, "[z [[c 3] [b 2]]]")
	third := r.waits("bzpopmax x 0.5")
	r.now = r.now.Add(time.Second)
	r.e.Cycle()
	third.want(t, "(nil)")
	stored := r.waits("bzpopmin x 0")
	r.call("zunionstore", "x", "1", "z")
	stored.want(t, "[x a 1]")
}

func TestZRandom(t *testing.T) {
	r := newRig(t, Config{})
	for i := range 300 {
		r.call("zadd", "z", "1", "m"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	r.steps([2]string{"zrandmember z -9223372036854775808", "-ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"},
		[2]string{"zrandmember z -9223372036854775807 withscores", "-ERR value is out of range"}, [2]string{"zrandmember none", "(nil)"}, [2]string{"zrandmember none 3", "[]"},
		[2]string{"zrandmember z 0", "[]"})
	for _, n := range []string{"1", "7", "250", "299", "300", "9223372036854775807"} {
		list := strings.Fields(strings.Trim(r.say("zrandmember z "+n), "[]"))
		seen := map[string]bool{}
		for _, m := range list {
			seen[m] = true
		}
		if len(seen) != len(list) || len(list) > 300 || len(list) == 0 {
			t.Errorf("%s: %d members, %d differ", n, len(list), len(seen))
		}
	}
	if list := strings.Fields(r.say("zrandmember z -1000")); len(list) != 1000 {
		t.Errorf("%d members", len(list))
	}
}

func TestZScan(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([2]string{"zadd z 1 a 2.5 b", "2"}, [2]string{"zscan z 0", "[0 [a 1 b 2.5]]"}, [2]string{"zscan z 0 match b*", "[0 [b 2.5]]"}, [2]string{"zscan none 0", "[0 []]"})
	for i := range 500 {
		r.call("zadd", "z", "1", "m"+string(rune('a'+i%26))+string(rune('a'+i/26)))
	}
	seen := map[string]bool{}
	for cursor := "0"; ; {
		var rest string
		cursor, rest, _ = strings.Cut(strings.Trim(r.say("zscan z "+cursor+" count 7"), "[]"), " ")
		list := strings.Fields(strings.Trim(rest, "[]"))
		for i := 0; i < len(list); i += 2 {
			seen[list[i]] = true
		}
		if cursor == "0" {
			break
		}
	}
	if len(seen) != 502 {
		t.Errorf("a scan meets %d of 502", len(seen))
	}
}

// zsetTemplates make random commands on sorted sets; rig.line says how.
var zsetTemplates = []string{
	"zadd key nx|xx|- gt|lt|- ch|- # text # text", "zadd key # text 1.5 text inf text", "zadd key incr # text", "zincrby key 0.1|#|-inf|inf text", "zadd big1|big2 # ##", "zadd big1|big2 # ## # ## # ## # ## # ## # ## # ##",
	"zrem key text text", "zrem big1 ## ## ##", "zpopmin|zpopmax key|big1 1|2|0|-1", "bzpopmin|bzpopmax key key big1 0", "zmpop 2 key big2 min|max count 3|1", "bzmpop 0 2 key key min|max",
	"zremrangebyrank key|big1 # #", "zremrangebyscore key|big2 # (5", "zremrangebylex key [a (foo", "zrangestore key big1|key # #", "zrangestore key big1 -inf (3 byscore limit 1 5",
	"zunionstore key 2 key big1 weights 2 0.5 aggregate sum|min|max", "zinterstore key 2 big1 big2|key", "zdiffstore key 2 big1 big2|key", "zunion 2 key key withscores", "zinter 3 key key big1", "zdiff 2 key big1",
	"zrange key # # rev|withscores|-", "zrange key # (9 byscore withscores", "zrangebylex key - [foo", "zcount key # #", "zrank key text", "zrandmember key # withscores", "zscan big1 0 count 3", "geoadd key 13.3613 38.1155 text 15.08 37.5 text",
	"geosearchstore key key fromlonlat 15 37 byradius 500 km asc", "georadius key 15 37 200 km store key", "geodist key text text", "set key text", "del key", "rename key key", "copy key key replace", "expire key 1", "debug reload", "geohash key text", "geopos key text",
}

// repeats runs random commands and repeats their effects in another engine: both have the same keyspace, also when it is
// made anew from what a log would have of it, and count its bytes right, down to none.
func repeats(t *testing.T, templates []string, keys ...string) {
	t.Helper()
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := newRig(t, Config{Debug: true})
		r.e.limits.ZSetEntries, r.e.limits.StreamEntries = 20, 5
		r.s.Peer = &rigPeer{s: r.s, out: resp.NewWriter()}
		for i := range 3000 {
			r.call(r.line(rng, templates)...)
			r.e.Unblock(r.s, false)
			if rng.IntN(5) == 0 {
				r.now = r.now.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)
				r.e.Cycle()
			}
			if i%100 == 0 {
				r.checkBytes()
			}
			if rng.IntN(1000) == 0 {
				r.call("del", keys[rng.IntN(len(keys))])
			}
		}
		for it := range r.e.dbs[0].items.all() {
			if n, counted := heapOf(it.val.obj); n != counted {
				t.Errorf("seed %d: %q has %d bytes and counts %d", seed, it.key(), n, counted)
			}
		}
		want := r.picture()
		other := r.replay()
		if got := other.picture(); got != want {
			t.Fatalf("seed %d: repeated\n%s\nwant\n%s", seed, got, want)
		}
		other.checkBytes()
		r.call("debug", "reload")
		if got := r.picture(); got != want {
			t.Fatalf("seed %d: made anew\n%s\nwant\n%s", seed, got, want)
		}
		if r.e.Stats().Panics > 0 {
			t.Fatalf("seed %d: %d commands have failed", seed, r.e.Stats().Panics)
		}
		for _, key := range keys {
			r.call("del", key)
		}
		if r.e.Used() != 0 {
			t.Fatalf("seed %d: nothing is there and takes %d bytes", seed, r.e.Used())
		}
	}
}

func TestZSetEffects(t *testing.T) {
	repeats(t, zsetTemplates, "big1", "big2", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7")
}

// call3 runs a command line and gives its answer in version 3 of the protocol.
func (r *rig) call3(line string) string {
	w := resp.NewWriter()
	w.SetVersion(3)
	var args [][]byte
	for _, word := range words(line) {
		args = append(args, []byte(word))
	}
	r.e.Lock()
	defer r.e.Unlock()
	r.e.Do(r.s, args, w)
	return string(w.Buf)
}

// TestVersion3 looks at the answers of sorted sets, geo and streams that differ in version 3 of the protocol.
func TestVersion3(t *testing.T) {
	r := newRig(t, Config{})
	for _, line := range []string{"zadd z 1 a 2.5 b", "geoadd g 13.361389 38.115556 p", "xadd s 1-1 f v", "xgroup create s g 0"} {
		r.say(line)
	}
	for line, want := range map[string]string{
		"zrange z 0 -1 withscores": "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n", "zrange z 0 0": "*1\r\n$1\r\na\r\n", "zscore z b": ",2.5\r\n", "zscore z c": "_\r\n",
		"zunion 1 z withscores": "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n", "zrandmember z 5 withscores": "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n",
		"geopos g p": "*1\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n", "xread streams s 0": "%1\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
		"xread streams s $": "_\r\n", "xinfo consumers s g": "*0\r\n", "zmpop 1 none min": "_\r\n",
	} {
		if got := r.call3(line); got != want {
			t.Errorf("%s\n got  %q\n want %q", line, got, want)
		}
	}
	for _, step := range [][2]string{{"zpopmin z", "*2\r\n$1\r\na\r\n,1\r\n"}, {"zpopmin z 1", "*1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n"}} {
		if got := r.call3(step[0]); got != step[1] {
			t.Errorf("%s\n got  %q\n want %q", step[0], got, step[1])
		}
	}
}

// TestBlockInScript refuses to wait within a script by its words, and only there.
func TestBlockInScript(t *testing.T) {
	r := newRig(t, Config{})
	script := resp.NewWriter()
	run := func(c *Ctx) {
		c.Script(func() {
			c.CallFrom([][]byte{[]byte("XREAD"), []byte("BLOCK"), []byte("1"), []byte("STREAMS"), []byte("s"), []byte("$")}, Rights{}, script)
		})
	}
	r.e.Call(r.s, &Command{Name: "script", Run: run}, [][]byte{[]byte("script")}, Discard)
	if got := readable(string(script.Buf)); got != "-ERR XREAD command is not allowed with BLOCK option from scripts" {
		t.Errorf("a script that waits is answered %q", got)
	}
	r.steps([2]string{"multi", "OK"}, [2]string{"xread block 1 streams s $", "QUEUED"}, [2]string{"exec", "[(nil)]"})
}
