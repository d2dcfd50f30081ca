package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// allTemplates make random commands of every family that changes something; rig.line says how. The keys of a kind meet
// those of others now and then.
func allTemplates() []string {
	return []string{
		"rpush l1|l2|l3 a|b|c|# a|b|c|#", "lpush l1|l2|l3 a|b text", "lpushx l1|s1 a", "rpushx l3 a b", "lpop l1|l2|l3 #|-", "rpop l1|l2|l3", "lmove l1|l2 l2|l3 left|right left|right",
		"rpoplpush l1|l2|t1 l2|l3", "ltrim l1|l2 #|0 #|-1|5", "lset l1|l2 # text", "linsert l1|l2 before|after a|b|# new", "lrem l1|l2|l3 #|1|-1 a|b|c", "lmpop 2 l1 l2 left|right count 1|2|3",
		"blpop l1 l2 0.001", "blmove l1 l2 left right 0.001", "blmpop 0.001 1 l1 left", "sort l1|l2|t1|z1 alpha store l3", "sort t1|t2 by nosort alpha|- store l3", "sort t1|t2|z1 by nosort store l2",
		"sort t1 by w* get # get h1->f1 alpha store l1", "sort z1 by nosort|x desc|- limit 0|1 2|3 store l3", "sort t1 by nosort limit 0 2 store l3",
		"hset h1|h2|l1 f1|f2|f3 text f4|f5 #", "hdel h1|h2 f1|f2 f3|f4", "hincrby h1|h2 f1|f4|n #|text", "hincrbyfloat h1|h2 f4|n 1.5|0.1|-3|1e300|text", "hsetnx h1|h2 f1|f6 text", "hmset h1 f1 a f7 b",
		"sadd t1|t2|t3 a|b|c|# d|e|# ##", "srem t1|t2 a|b # e", "spop t1|t2|t3 #|-", "spop t1|t2 2|3|100", "smove t1|t2 t2|t3 a|b|c|#", "sinterstore t3|l1 t1 t2", "sunionstore t1|t3 t2 t3", "sdiffstore t1|t2|t3 t1 t2",
		"zadd z1|z2|z3 nx|xx|gt|lt|- ch|- # a|b|c", "zadd z1|z2 #|1.5|inf|-inf|nan a|b|c|d # e|f", "zadd z1|z2 incr 0.1|#|inf|-inf a|b|g", "zincrby z1|z2 #|0.1|inf|-inf a|b|c", "zrem z1|z2 a|b c",
		"zpopmin z1|z2|z3 #|-", "zpopmax z1|z2 2|-", "zmpop 2 z1 z2 min|max count 2", "bzpopmin z1 0.001", "bzpopmax z2 z1 0.001", "bzmpop 0.001 1 z1 max", "zremrangebyscore z1|z2 #|-inf #|inf", "zremrangebyrank z1|z2 # #", "zremrangebylex z1 [a|- [b|+",
		"zunionstore z3|z1 2 z1 z2 weights 2|0.5|inf|-inf 3|inf aggregate sum|min|max", "zinterstore z3 2 z1 t1", "zdiffstore z3 2 z1 z2", "zrangestore z3 z1|z2 # #", "zrangestore z3 z1 -inf inf byscore limit 0 2",
		"geoadd g1|g2 nx|xx|- 13.3|15.1|# 38.1|37.5|# a|b|c", "georadius g1 15 37 200|2000 km store|storedist g2|z3", "georadius g1 15 37 20000 km count 1 any store g2", "geosearchstore g2 g1 fromlonlat 15 37 bybox 400 400 km asc|desc count 2 any|-", "geosearchstore z3 g1 fromlonlat 15 37 byradius 300 km storedist",
		"xadd x1|x2 * f text", "xadd x1|x2 nomkstream|- maxlen|minid ~|=|- #|5|0 limit|- 1|- * f text", "xadd x1 maxlen ~ 3 * f text g #", "xadd x1|x2 5-*|7-*|99999999999999-*|18446744073709551615-18446744073709551615|0-1|1-1 f text",
		"xdel x1|x2 5-0|5-1|7-0 7-1", "xtrim x1|x2 maxlen ~|=|- 2|3|0", "xtrim x1 minid ~|=|- 5|7", "xtrim x1 maxlen ~ 1 limit 1|0", "xgroup create x1|x2 ga|gb 0|$|5-0 mkstream|- entriesread|- 3|-", "xgroup destroy x1|x2 ga|gb", "xgroup setid x1|x2 ga|gb 0|$|5-0",
		"xgroup createconsumer x1|x2 ga|gb ca|cb", "xgroup delconsumer x1|x2 ga|gb ca|cb", "xreadgroup group ga|gb ca|cb count 1|2 noack|- streams x1|x2 >", "xreadgroup group ga ca streams x1 x2 > >", "xreadgroup group ga|gb ca|cb count 2 streams x1 0",
		"xreadgroup group ga cb block 1 streams x1|x2 >", "xack x1|x2 ga|gb 5-0|5-1|7-0 7-1", "xclaim x1|x2 ga|gb ca|cb 0|5 5-0|7-0|7-1 5-1 force|- justid|- ", "xclaim x1 ga cb 0 5-0 5-1 retrycount 3 idle|time 1000|1600000000000 force lastid 7-0",
		"xautoclaim x1|x2 ga|gb ca|cb 0|5 0|5-0|- count 2 justid|-", "xsetid x1|x2 99999999999999-9|18446744073709551615-5|5-0", "xsetid x1 99999999999999-99 entriesadded 100 maxdeletedid 5-1",
		"set s1|l1|t1|x1 text", "mset s1 text s2 #", "incr s1|s2", "append s1 text", "setrange s1 3 abc", "bitfield s1 incrby u8 0 100", "pfadd p1 text #", "pfmerge p2 p1", "getex s1|s2 ex|px|exat|pxat|persist ##|-", "set s1 text px|ex ##", "getdel s1",
		"rename|renamenx l1|h1|t1|z1|x1|s1|g1 l2|h2|t2|z2|x2|s2|g2", "copy l1|h1|t1|z1|x1|s1|g1 l2|h2|t2|z2|x2|s2|g2|x1 db|- 1|- replace|-", "move l1|h1|t1|z1|x1|s1 1|0", "del l1|h1|t1 z1|x1|s1", "unlink x2|z2|l2 h2|t2|s2",
		"expire|pexpire l1|h1|t1|z1|x1|s1|g1 ##|300|# nx|xx|gt|lt|-", "persist l1|h1|t1|z1|x1|s1", "flushdb|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize", "swapdb 0 1", "select 0|1|0|0", "multi", "exec", "exec", "discard", "watch l1 x1", "flushall|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize|dbsize",
	}
}

// TestEffectsOfAllRepeat runs random commands of all families, with keys that end meanwhile, and repeats their effects in
// another engine, whose tables have their keys in another order: both have the same keyspace.
func TestEffectsOfAllRepeat(t *testing.T) {
	for seed := range uint64(15) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := newRig(t, Config{})
		r.s.Peer = &rigPeer{s: r.s, out: resp.NewWriter()}
		for range 1500 {
			line := r.line(rng, allTemplates())
			if r.s.Blocked() {
				r.now = r.now.Add(10 * time.Millisecond)
				r.e.Cycle()
			}
			r.call(line...)
			if rng.IntN(5) == 0 {
				r.now = r.now.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)
				if rng.IntN(2) == 0 {
					r.e.Cycle()
				}
			}
		}
		r.checkBytes()
		other := r.replay()
		other.checkBytes()
		got, want := strings.Split(other.picture(), "\n"), strings.Split(r.picture(), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("seed %d: repeated\n%s\nwant\n%s", seed, strings.Join(got[min(i, len(got)):min(i+1, len(got))], ""), strings.Join(want[min(i, len(want)):min(i+1, len(want))], ""))
				break
			}
		}
		if r.e.Stats().Panics > 0 {
			t.Fatalf("seed %d: %d commands have failed", seed, r.e.Stats().Panics)
		}
	}
}
