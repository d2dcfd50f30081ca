package engine

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"
)

// listTemplates make random commands of lists; rig.line says how.
var listTemplates = []string{
	"lpush|rpush key text", "lpush|rpush key text # text a b c", "lpushx|rpushx key text a", "rpush|lpush key a b c a b c # # #",
	"lpop|rpop key", "lpop|rpop key #|0|x|9223372036854775807|-9223372036854775808", "llen key", "lindex key #|x|-9223372036854775808|9223372036854775807",
	"lset key #|0|-1 text", "lset key 0|-1|3 foobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobar", "linsert key before|after|x text|a|b|c text|d",
	"lrange key # #", "lrange key 0 -1", "lrange key -9223372036854775808|x 9223372036854775807", "ltrim key #|0|1 #|-1|-2|10", "lrem key #|0|1|-1|-9223372036854775808 text|a|b|c",
	"lpos key text|a|b", "lpos key a|b rank #|0|1|-1|-9223372036854775808", "lpos key a|b count #|0|2 rank 1|2|-1|-2 maxlen 0|3|5|-1|x", "lpos key a|b rank",
	"lmove key key left|right left|right|x", "rpoplpush key key", "lmpop 1|2|0|x key key left|right|x", "lmpop 2 key key left|right count #|1|2|0", "lmpop 1 key left count 1 count 2",
	"blmpop 0 1|2|3 key key left|right count|x 2", "del key", "rename key key", "copy key key", "sort key alpha|- store|- key", "expire key ##", "set key text", "type key", "object encoding key",
}

// repeatEffects runs random commands and repeats their effects in another engine: both have the same keyspace, and count
// its bytes right, down to none.
func repeatEffects(t *testing.T, templates []string) {
	t.Helper()
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 3))
		r := newRig(t, Config{})
		for i := range 3000 {
			r.call(r.line(rng, templates)...)
			r.e.unwait(r.s)
			if rng.IntN(5) == 0 {
				r.now = r.now.Add(time.Duration(rng.IntN(1000)) * time.Millisecond)
				r.e.Cycle()
			}
			if i%100 == 0 {
				r.checkBytes()
			}
		}
		other := r.replay()
		if got, want := other.picture(), r.picture(); got != want {
			t.Fatalf("seed %d: repeated\n%s\nwant\n%s", seed, got, want)
		}
		other.checkBytes()
		if r.e.Stats().Panics > 0 {
			t.Fatalf("seed %d: %d commands have failed", seed, r.e.Stats().Panics)
		}
		for i := range 8 {
			r.call("del", "k"+strconv.Itoa(i))
		}
		if r.e.Used() != 0 {
			t.Fatalf("seed %d: nothing is there and takes %d bytes", seed, r.e.Used())
		}
	}
}

func TestEffectsOfLists(t *testing.T) { repeatEffects(t, listTemplates) }

// hashTemplates make random commands of hashes.
var hashTemplates = []string{
	"hset key text text", "hset key text # # text a b c d e f", "hset key # ## # ## # ## # ## # ##", "hset key a", "hsetnx key text|a|b|# text", "hmset key a text # #", "hmset key a",
	"hget key text|a|b|#", "hmget key text a b # nothing", "hgetall key", "hkeys key", "hvals key", "hlen key", "hexists key text|a|#", "hstrlen key text|a|#",
	"hdel key text|a|#", "hdel key text # # a b", "hincrby key a|#|text #|##|text|9223372036854775807|-9223372036854775808", "hincrbyfloat key a|#|text #|text|1.5|-0.1|1e-5|inf|nan|x",
	"hrandfield key 0|x|-9223372036854775808|9223372036854775807", "hrandfield key 9223372036854775807|-9223372036854775807|0|4611686018427387904|-4611686018427387904|-4611686018427387905 withvalues|x", "hrandfield key 1 withvalues x", "hscan key 0|x count 1000|0|x",
	"hscan key 0 match *a*|[0-9]*|-* count 1000", "hset key foobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobar text",
	"del key", "rename key key", "copy key key", "sort key", "set key text", "type key", "expire key ##", "sort list by w_*->a get w_*->a",
}

func TestEffectsOfHashes(t *testing.T) { repeatEffects(t, hashTemplates) }

// setTemplates make random commands of sets.
var setTemplates = []string{
	"sadd key text # #|a|b", "sadd key # # # # #", "sadd key a b c d e f g h", "sadd key ## ## ## ## ## ## ## ##", "sadd key text text text text",
	"srem key text # a|b", "srem key # # # #", "sismember key text|#|a", "smismember key text # a b", "scard key", "smembers key", "smove key key text|#|a|b",
	"spop key 0|x|-1|9223372036854775807|-9223372036854775808", "spop key 1 2", "srandmember key 0|x|-9223372036854775808|9223372036854775807", "srandmember key 1 2",
	"sinter key", "sinter key key", "sinter key key key", "sinterstore key key key", "sintercard 1|2|3|0|x key key", "sintercard 2 key key limit|x 0|1|2|-1|x",
	"sunion key key", "sunion key key key", "sunionstore key key key", "sdiff key", "sdiff key key", "sdiff key key key key", "sdiffstore key key key", "sdiffstore key key key key key",
	"sscan key 0|x count 1000|0|x", "sscan key 0 match *a*|[0-9]*|-* count 1000", "sadd key foobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobarfoobar",
	"del key", "rename key key", "copy key key", "sort key alpha", "set key text", "type key", "expire key ##",
}

func TestEffectsOfSets(t *testing.T) {
	repeatEffects(t, append(setTemplates, "spop key", "spop key 1|2|5", "spop key 1|2|5|100"))
}
