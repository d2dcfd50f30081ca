package kv_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// bypasses are ways to keys that a user may not touch. own is one of the user's keys, any one of those or of another's;
// "|" is between choices, and lower case keeps its place.
func bypasses() []string {
	return []string{
		"get any:s", "set any:s x", "mget own:s any:s", "mset own:s 1 any:s 2", "msetnx own:new 1 any:new 2", "append any:s x", "getrange any:s 0 -1", "substr any:s 0 -1", "getset any:s x", "getdel any:s", "getex any:s",
		"setrange any:s 1 x", "incr any:n", "lcs own:s any:s", "bitop or own:s any:s own:s", "bitop not any:s own:s", "bitfield any:s get u8 0", "bitfield any:s set u8 0 1", "bitcount any:s", "setbit any:s 1 1", "pfcount any:s own:s", "pfmerge own:p any:p", "pfadd any:p x",
		"rename own:s any:s", "rename any:s own:s", "renamenx any:s own:new", "copy any:s own:s replace", "copy any:s own:s db 0 replace", "move any:s 1", "del own:x any:s", "unlink any:l", "expire any:s 1", "pexpireat any:s 1", "persist any:s", "type any:s", "dump any:s", "object encoding any:s", "memory usage any:s", "touch any:s", "exists any:s", "watch any:s",
		"lpush any:l x", "lrange any:l 0 -1", "lindex any:l 0", "lpop any:l", "rpoplpush any:l own:l", "lmove own:l any:l left left", "blmove any:l own:l left left 0.01", "brpoplpush any:l own:l 0.01", "blpop own:none any:l 0.01", "brpop any:l 0.01", "lmpop 1 any:l left", "lmpop 2 own:none any:l left", "blmpop 0.01 2 own:none any:l left", "lset any:l 0 x", "linsert any:l before a b", "lrem any:l 1 SECRET", "ltrim any:l 1 0", "lpos any:l SECRET",
		"sort any:l alpha", "sort own:l alpha store any:l", "sort own:l alpha store own:x store any:l", "sort own:l by any:* get any:*", "sort own:l by nosort get any:s*", "sort own:names by nosort get any:h->*", "sort_ro any:l alpha", "sort own:names by any:w* alpha", "sort any:l by nosort store own:l", "sort own:l get # store any:l",
		"hset any:h f x", "hget any:h f", "hgetall any:h", "hrandfield any:h", "hscan any:h 0", "hincrby any:h n 1", "hdel any:h f",
		"sadd any:t x", "smembers any:t", "sdiff own:t any:t", "sdiffstore own:t any:t own:t", "sinterstore any:t own:t own:t", "sunionstore own:t own:t any:t", "sunion any:t own:t", "sintercard 2 any:t own:t", "smove any:t own:t SECRET", "smove own:t any:t m", "spop any:t", "srandmember any:t 5", "sscan any:t 0",
		"zadd any:z 1 x", "zrange any:z 0 -1", "zrangestore own:z any:z 0 -1", "zrangestore any:z own:z 0 -1", "zunionstore own:z 2 own:z any:z", "zunionstore any:z 1 own:z", "zunion 2 own:z any:z", "zinter 1 any:z", "zdiff 2 any:z own:z", "zinterstore own:z 2 any:z any:z", "zmpop 2 own:none any:z min", "bzmpop 0.01 1 any:z max", "bzpopmin own:none any:z 0.01", "zpopmax any:z", "zscan any:z 0", "zrandmember any:z 3", "zintercard 1 any:z",
		"geoadd any:g 1 1 x", "geosearch any:g frommember SECRET byradius 1 km", "geosearch any:g fromlonlat 13 38 byradius 20000 km asc", "geosearchstore own:g any:g fromlonlat 13 38 byradius 20000 km", "georadius own:g 13 38 20000 km store any:g", "georadius any:g 13 38 20000 km store own:g", "georadius own:g 13 38 20000 km store own:x storedist any:g", "georadius own:g 13 38 20000 km storedist any:g store own:x", "georadiusbymember own:g m 20000 km store any:z", "georadius any:g 13 38 20000 km",
		"xadd any:x * f x", "xrange any:x - +", "xread streams own:x any:x 0 0", "xread count 5 streams any:x 0", "xreadgroup group g c streams any:x >", "xgroup create any:x g2 0", "xinfo stream any:x full", "xclaim any:x g c 0 1-1 force", "xautoclaim any:x g c 0 0", "xdel any:x 1-1", "xtrim any:x maxlen 0", "xsetid any:x 9-9", "xpending any:x g", "xread block 1 streams streams any:x 0 0", "xreadgroup group streams c streams any:x >",
		"eval CALL 0 any", "eval CALL 1 own:s any", "eval_ro CALL 0 any", "eval PCALL 2 own:s any:s any", "multi", "exec", "discard", "watch own:s", "unwatch", "select 0", "debug object any:s", "debug reload", "config get requirepass", "acl whoami", "acl getuser default", "acl setuser u +@all", "client list", "monitor", "flushall", "flushdb", "swapdb 0 1", "keys any*", "scan 0",
		"publish ch x", "client tracking on bcast prefix any", "object freq any:s", "eval CALL -1 any:s", "eval CALL 99999999999 any:s", "lmpop 99999 own:l any:l left", "zunionstore own:z 99999 any:z", "sintercard 0 any:t",
	}
}

// bypass makes a call of a template.
func bypass(rng *rand.Rand, template string) []string {
	var args []string
	for w := range strings.FieldsSeq(template) {
		target := []string{"own", "other"}[rng.IntN(2)]
		switch w {
		case "CALL", "PCALL":
			inner := []string{"'get','other:s'", "'set','other:s','x'", "'lrange','other:l','0','-1'", "'eval','return 1','0'", "'copy','other:s','own:s','replace'", "'sort','own:l','by','nosort','get','other:s*'", "'rename','own:s','other:s'", "'flushall'"}[rng.IntN(8)]
			w = "return redis." + strings.ToLower(w) + "(" + inner + ")"
		case "any":
			w = target
		default:
			w = strings.ReplaceAll(w, "any:", target+":")
			if strings.HasPrefix(w, "any") {
				w = target + w[3:]
			}
		}
		args = append(args, w)
	}
	return args
}

// TestNoWayToOthersKeys has a user who may run all commands on keys of its own try everything on those of another: they
// stay as they are, and nothing of them is told.
func TestNoWayToOthersKeys(t *testing.T) {
	cfg := kv.Config{}
	cfg.Engine.Debug = true
	_, addr := kvtest.Start(t, cfg)
	admin := kvtest.Dial(t, addr)
	for _, line := range []string{
		"set other:s SECRET1", "rpush other:l SECRET2 SECRET3", "hset other:h f SECRET4 n 1", "sadd other:t SECRET5 SECRET6", "zadd other:z 1 SECRET7 2 SECRET8", "geoadd other:g 13 38 SECRET9", "xadd other:x 1-1 f SECRET10", "xgroup create other:x g 0",
		"pfadd other:p SECRET", "set other:n 77777777", "set other:w1 SECRET11", "set own:s mine", "rpush own:l 1 2", "hset own:h f v", "sadd own:t m", "zadd own:z 1 m", "geoadd own:g 13 38 m", "xadd own:x 1-1 f v", "pfadd own:p x", "rpush own:names f 1",
	} {
		if got := admin.Text(strings.Fields(line)...); strings.HasPrefix(got, "-") {
			t.Fatalf("%s: %s", line, got)
		}
	}
	if got := admin.Text("ACL", "SETUSER", "u", "on", ">p", "~own:*", "+@all", "-@admin", "-@dangerous", "+sort", "+georadius", "+georadiusbymember", "+debug|object", "&own*", "+object", "+memory", "+client|tracking"); got != "OK" {
		t.Fatal(got)
	}
	others := func() string {
		var b strings.Builder
		for _, args := range [][]string{
			{"GET", "other:s"},
			{"LRANGE", "other:l", "0", "-1"},
			{"HGETALL", "other:h"},
			{"SORT", "other:t", "ALPHA"},
			{"ZRANGE", "other:z", "0", "-1", "WITHSCORES"},
			{"ZRANGE", "other:g", "0", "-1"},
			{"XINFO", "STREAM", "other:x"},
			{"GET", "other:p"},
			{"GET", "other:n"},
			{"EXISTS", "other:new", "other:none"},
			{"PTTL", "other:s"},
			{"PTTL", "other:l"},
			{"XPENDING", "other:x", "g"},
			{"DBSIZE"},
		} {
			if args[0] != "DBSIZE" {
				fmt.Fprintln(&b, admin.Text(args...))
			}
		}
		return b.String()
	}
	before := others()
	rng := rand.New(rand.NewPCG(1, 5))
	c := kvtest.Dial(t, addr)
	login := func() {
		c = kvtest.Dial(t, addr)
		want(t, c, "OK", "AUTH", "u", "p")
	}
	login()
	list := bypasses()
	for i := range 20 * len(list) {
		args := bypass(rng, list[i%len(list)])
		got := c.Text(args...)
		if strings.Contains(got, "SECRET") && !strings.Contains(strings.Join(args, " "), "SECRET") || strings.Contains(got, "77777") {
			t.Errorf("%q tells %s", args, got)
		}
		if now := others(); now != before {
			t.Fatalf("%q (%s) has changed\n%s to\n%s", args, got, before, now)
		}
	}
	for _, args := range [][]string{{"GET", "own:s"}, {"LRANGE", "own:l", "0", "-1"}, {"SMEMBERS", "own:t"}, {"ZRANGE", "own:z", "0", "-1"}, {"ZRANGE", "own:g", "0", "-1"}, {"LRANGE", "own:x", "0", "-1"}} {
		if got := admin.Text(args...); strings.Contains(got, "SECRET") {
			t.Errorf("%q has %s", args, got)
		}
	}
}
