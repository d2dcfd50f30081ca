package kv_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/wayside-edge/wayside/internal/kv"
	"github.com/wayside-edge/wayside/internal/kv/kvtest"
)

// family makes random commands that meet on few keys, fields and members.
type family struct {
	name string
	next func(r *random) []string
}

// random has the words that commands are made of.
type random struct{ *rand.Rand }

func (r *random) key() string    { return fmt.Sprintf("k%d", r.IntN(4)) }
func (r *random) member() string { return fmt.Sprintf("m%d", r.IntN(12)) }
func (r *random) of(list ...string) string {
	return list[r.IntN(len(list))]
}

// number is a small integer, now and then at an edge or none at all.
func (r *random) number() string {
	switch r.IntN(30) {
	case 0:
		return r.of("9223372036854775807", "-9223372036854775808", "9223372036854775808")
	case 1:
		return r.of("x", "", "1.5", " 1", "01", "+1")
	}
	return fmt.Sprint(r.IntN(12) - 4)
}

func (r *random) float() string {
	if r.IntN(30) == 0 {
		return r.of("inf", "-inf", "nan", "x", "1e400", "0x10")
	}
	return r.of("1", "-2", "0.5", "3.25", "1e3", "0", "10", "2.5")
}

func (r *random) value() string {
	return r.of("", "a", "10", "-3", "hello world", "\x00\xff", "3.5", strings.Repeat("long", 20), r.number())
}

func (r *random) members(most int) []string {
	list := make([]string, 1+r.IntN(most))
	for i := range list {
		list[i] = r.member()
	}
	return list
}

// said puts words and lists of words together.
func said(words ...any) []string {
	var out []string
	for _, w := range words {
		switch w := w.(type) {
		case string:
			out = append(out, w)
		case []string:
			out = append(out, w...)
		}
	}
	return out
}

// maybe gives words, or none.
func (r *random) maybe(words ...string) []string {
	if r.IntN(2) == 0 {
		return nil
	}
	return words
}

func families() []family {
	return []family{
		{"strings", func(r *random) []string {
			return [][]string{
				said("SET", r.key(), r.value(), r.maybe(r.of("NX", "XX", "GET", "KEEPTTL"))), said("GET", r.key()), said("GETSET", r.key(), r.value()),
				said("APPEND", r.key(), r.value()), said("STRLEN", r.key()), said("INCR", r.key()), said("DECRBY", r.key(), r.number()),
				said("INCRBY", r.key(), r.number()), said("INCRBYFLOAT", r.key(), r.float()), said("GETRANGE", r.key(), r.number(), r.number()),
				said("SETRANGE", r.key(), fmt.Sprint(r.IntN(20)), r.value()), said("MGET", r.key(), r.key(), "none"), said("MSETNX", r.key(), r.value(), r.key(), r.value()),
				said("SETNX", r.key(), r.value()), said("GETDEL", r.key()), said("DEL", r.key()), said("EXISTS", r.key(), r.key()), said("TYPE", r.key()),
				said("SETBIT", r.key(), fmt.Sprint(r.IntN(100)), r.of("0", "1")), said("GETBIT", r.key(), fmt.Sprint(r.IntN(100))), said("BITCOUNT", r.key()),
				said("BITPOS", r.key(), r.of("0", "1")), said("BITOP", r.of("AND", "OR", "XOR"), r.key(), r.key(), r.key()), said("RENAME", r.key(), r.key()),
				said("RENAMENX", r.key(), r.key()), said("COPY", r.key(), r.key(), r.maybe("REPLACE")), said("PERSIST", r.key()), said("EXPIRE", r.key(), "1000", r.maybe(r.of("NX", "XX"))),
				said("DBSIZE"),
			}[r.IntN(29)]
		}},
		{"lists", func(r *random) []string {
			return [][]string{
				said("RPUSH", r.key(), r.members(4)), said("LPUSH", r.key(), r.members(4)), said("LPUSHX", r.key(), r.member()), said("LLEN", r.key()),
				said("LRANGE", r.key(), r.number(), r.number()), said("LINDEX", r.key(), r.number()), said("LSET", r.key(), r.number(), r.member()),
				said("LINSERT", r.key(), r.of("BEFORE", "AFTER"), r.member(), r.member()), said("LREM", r.key(), r.number(), r.member()),
				said("LTRIM", r.key(), r.number(), r.number()), said("LPOP", r.key(), r.maybe(fmt.Sprint(r.IntN(4)))), said("RPOP", r.key()),
				said("RPOPLPUSH", r.key(), r.key()), said("LMOVE", r.key(), r.key(), r.of("LEFT", "RIGHT"), r.of("LEFT", "RIGHT")),
				said("LPOS", r.key(), r.member()), said("DEL", r.key()), said("GET", r.key()), said("SET", r.key(), "s"),
			}[r.IntN(18)]
		}},
		{"hashes", func(r *random) []string {
			return [][]string{
				said("HSET", r.key(), r.member(), r.value(), r.member(), r.value()), said("HSETNX", r.key(), r.member(), r.value()), said("HGET", r.key(), r.member()),
				said("HMGET", r.key(), r.members(3)), said("HGETALL", r.key()), said("HKEYS", r.key()), said("HVALS", r.key()), said("HLEN", r.key()),
				said("HEXISTS", r.key(), r.member()), said("HDEL", r.key(), r.members(3)), said("HINCRBY", r.key(), r.member(), r.number()),
				said("HINCRBYFLOAT", r.key(), r.member(), r.float()), said("HSTRLEN", r.key(), r.member()), said("DEL", r.key()), said("LPUSH", r.key(), "x"),
			}[r.IntN(15)]
		}},
		{"sets", func(r *random) []string {
			return [][]string{
				said("SADD", r.key(), r.members(4)), said("SADD", r.key(), r.number()), said("SREM", r.key(), r.members(3)), said("SISMEMBER", r.key(), r.member()),
				said("SMISMEMBER", r.key(), r.members(3)), said("SCARD", r.key()), said("SMEMBERS", r.key()), said("SMOVE", r.key(), r.key(), r.member()),
				said("SINTER", r.key(), r.key()), said("SUNION", r.key(), r.key(), "none"), said("SDIFF", r.key(), r.key()), said("SINTERSTORE", r.key(), r.key(), r.key()),
				said("SUNIONSTORE", r.key(), r.key(), r.key()), said("SDIFFSTORE", r.key(), r.key(), r.key()), said("SINTERCARD", "2", r.key(), r.key(), r.maybe("LIMIT", "2")),
				said("DEL", r.key()), said("SET", r.key(), "s"),
			}[r.IntN(17)]
		}},
		{"sorted sets", func(r *random) []string {
			return [][]string{
				said("ZADD", r.key(), r.maybe(r.of("NX", "XX", "CH")), r.float(), r.member(), r.float(), r.member()), said("ZINCRBY", r.key(), r.float(), r.member()),
				said("ZREM", r.key(), r.members(3)), said("ZSCORE", r.key(), r.member()), said("ZCARD", r.key()), said("ZCOUNT", r.key(), r.of("-inf", "(1", "0"), r.of("+inf", "(10", "3")),
				said("ZRANK", r.key(), r.member()), said("ZREVRANK", r.key(), r.member()), said("ZRANGE", r.key(), r.number(), r.number(), r.maybe("WITHSCORES")),
				said("ZREVRANGE", r.key(), r.number(), r.number()), said("ZRANGEBYSCORE", r.key(), r.of("-inf", "(1", "0"), r.of("+inf", "(10", "3"), r.maybe("WITHSCORES"), r.maybe("LIMIT", "1", "2")),
				said("ZREVRANGEBYSCORE", r.key(), r.of("+inf", "(10", "3"), r.of("-inf", "(1", "0")), said("ZREMRANGEBYSCORE", r.key(), "(1", "2"), said("ZREMRANGEBYRANK", r.key(), r.number(), r.number()),
				said("ZPOPMIN", r.key()), said("ZPOPMAX", r.key(), fmt.Sprint(r.IntN(3))), said("ZUNIONSTORE", r.key(), "2", r.key(), r.key(), r.maybe("WEIGHTS", "2", "3")),
				said("ZINTERSTORE", r.key(), "2", r.key(), r.key(), r.maybe("AGGREGATE", r.of("MIN", "MAX", "SUM"))), said("DEL", r.key()), said("SADD", r.key(), r.member()),
			}[r.IntN(20)]
		}},
		{"streams", func(r *random) []string {
			id := fmt.Sprintf("%d-%d", r.IntN(6), r.IntN(4))
			return [][]string{
				said("XADD", r.key(), id, r.member(), r.value()), said("XLEN", r.key()), said("XRANGE", r.key(), r.of("-", id), r.of("+", id)),
				said("XREVRANGE", r.key(), "+", "-", "COUNT", "2"), said("XDEL", r.key(), id), said("XREAD", "STREAMS", r.key(), id), said("XTRIM", r.key(), "MAXLEN", fmt.Sprint(r.IntN(5))),
				said("XGROUP", "CREATE", r.key(), "g", r.of("0", id)), said("XREADGROUP", "GROUP", "g", "c", "COUNT", "2", "STREAMS", r.key(), ">"), said("XACK", r.key(), "g", id), said("DEL", r.key()),
			}[r.IntN(11)]
		}},
		{"transactions", func(r *random) []string {
			return [][]string{
				said("MULTI"), said("EXEC"), said("DISCARD"), said("SET", r.key(), r.value()), said("INCR", r.key()), said("LPUSH", r.key(), "x"), said("GET", r.key()),
				said("WATCH", r.key()), said("UNWATCH"), said("NOSUCH"), said("GET"), said("SELECT", r.of("0", "1", "99")), said("DEL", r.key()),
			}[r.IntN(13)]
		}},
	}
}

// unordered are the answers whose order no server promises.
func unordered(cmd string) bool {
	return slices.Contains([]string{"SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "KEYS"}, cmd)
}

// plain is an answer as it is compared: errors by their first word, sets without an order, pairs of HGETALL as pairs.
func plain(args []string, v any) string {
	switch v := v.(type) {
	case kvtest.Error:
		word, _, _ := strings.Cut(string(v), " ")
		return "-" + word
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = plain(args, e)
		}
		switch {
		case unordered(args[0]):
			slices.Sort(list)
		case args[0] == "HGETALL":
			var pairs []string
			for p := range slices.Chunk(list, 2) {
				pairs = append(pairs, strings.Join(p, "="))
			}
			slices.Sort(pairs)
			list = pairs
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return kvtest.Text(v)
}

// TestAsRedis sends the same random commands to redis-server and to this server. There is no known difference.
func TestAsRedis(t *testing.T) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("redis-server is not installed (Debian: redis-server)")
	}
	socket := filepath.Join(t.TempDir(), "redis.sock")
	cmd := exec.CommandContext(t.Context(), path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	var conn net.Conn
	for end := time.Now().Add(kvtest.Patience); ; time.Sleep(10 * time.Millisecond) { // it says nothing when it is ready
		if conn, err = net.Dial("unix", socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
	compare(t, kvtest.On(t, conn), func([]string, string, string) bool { return false })
}

// TestAsMiniredis does so with miniredis, which is a test double: what it does otherwise than Redis is listed.
func TestAsMiniredis(t *testing.T) {
	m := miniredis.RunT(t)
	compare(t, kvtest.Dial(t, m.Addr()), miniredisDiffers)
}

// compare plays every family to both and reports the first difference of each stream. After an answer that is known to
// differ both begin anew: what they hold may differ as well.
func compare(t *testing.T, other *kvtest.Client, known func(args []string, ours, theirs string) bool) {
	t.Helper()
	_, addr := kvtest.Start(t, kv.Config{})
	own := kvtest.Dial(t, addr)
	const streams, length = 40, 150
	for _, f := range families() {
		for seed := range uint64(streams) {
			r := &random{rand.New(rand.NewPCG(seed, 7))}
			for _, c := range []*kvtest.Client{own, other} {
				c.Do("DISCARD")
				c.Do("UNWATCH")
				c.Do("SELECT", "0")
				c.Do("FLUSHALL")
			}
			var past []string
			for range length {
				args := f.next(r)
				past = append(past, fmt.Sprintf("%q", args))
				ours, theirs := plain(args, own.Do(args...)), plain(args, other.Do(args...))
				if known(args, ours, theirs) {
					break
				}
				if ours == theirs {
					continue
				}
				t.Errorf("%s, stream %d: %q\nours   %.300s\ntheirs %.300s\nafter %s", f.name, seed, args, ours, theirs, strings.Join(past[max(0, len(past)-12):], " "))
				break
			}
		}
	}
}

// difference is something that miniredis v2.40 does otherwise than redis-server 7.0.15. TestAsRedis shows that this server
// does as Redis does. What comes after it in a stream is not compared: what is kept differs as well.
type difference struct {
	reason string
	when   func(args []string, ours, theirs string) bool
}

// among says whether an argument is one of some words.
func among(args []string, words ...string) bool {
	return slices.ContainsFunc(args[1:], func(a string) bool { return slices.Contains(words, a) })
}

func isOne(args []string, commands ...string) bool { return slices.Contains(commands, args[0]) }

var miniredisDifferences = []difference{
	{"integers: +1 and 01 are taken; a bad one is told before or after a wrong type by chance; no overflow", func(args []string, _, _ string) bool {
		return among(args, "x", "", " 1", "01", "+1", "1.5", "9223372036854775807", "9223372036854775808", "-9223372036854775808")
	}},
	{"floats: nan and inf are taken, numbers in base 16 are not; no long doubles", func(args []string, _, _ string) bool {
		return among(args, "inf", "-inf", "nan", "1e400", "0x10")
	}},
	{"an empty set that a command stores is kept, and panics later", func(args []string, ours, _ string) bool {
		return strings.HasSuffix(args[0], "STORE") && ours == "0"
	}},
	{"GETRANGE counts an end before the beginning of the string from its end", func(args []string, ours, theirs string) bool {
		return isOne(args, "GETRANGE") && ours != theirs
	}},
	{"ends of keys: which commands take them away, and NX and XX of EXPIRE", func(args []string, ours, theirs string) bool {
		return isOne(args, "PERSIST", "EXPIRE") && ours != theirs
	}},
	{"ZPOPMAX with a count of 0 pops all", func(args []string, _, _ string) bool { return isOne(args, "ZPOPMAX") && among(args, "0") }},
	{"ranges of a key of another type are empty where the bounds are", func(args []string, ours, theirs string) bool {
		return strings.HasPrefix(args[0], "Z") && ours == "-WRONGTYPE" && theirs == "[]"
	}},
	{"a sorted set that a range was removed from is kept when it is empty", func(args []string, _, _ string) bool {
		return isOne(args, "ZREMRANGEBYRANK", "ZREMRANGEBYSCORE")
	}},
	{"a stream forgets its last id when entries are deleted", func(args []string, _, _ string) bool { return isOne(args, "XDEL", "XTRIM") }},
	{"there are as many databases as somebody selects", func(args []string, _, _ string) bool { return isOne(args, "SELECT") && among(args, "99") }},
	{"a command that is refused within MULTI does not always end it", func(args []string, ours, _ string) bool {
		return isOne(args, "EXEC") && strings.HasPrefix(ours, "-EXECABORT")
	}},
}

func miniredisDiffers(args []string, ours, theirs string) bool {
	return slices.ContainsFunc(miniredisDifferences, func(d difference) bool { return d.when(args, ours, theirs) })
}
