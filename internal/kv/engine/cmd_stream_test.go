package engine

import (
	"testing"
	"time"
)

func TestStreams(t *testing.T) {
	newRig(t, Config{}).steps(
		[2]string{"xadd s 1-1 a 1 b 2", "1-1"}, [2]string{"xadd s 1-* a 3 b 4", "1-2"}, [2]string{"xadd s 1-2 a 1", "-" + errStreamSmall},
		[2]string{"xadd s * c 5", "1700000000000-0"}, [2]string{"xadd s * c 6", "1700000000000-1"}, [2]string{"xlen s", "4"},
		[2]string{"xrange s - + count 2", "[[1-1 [a 1 b 2]] [1-2 [a 3 b 4]]]"}, [2]string{"xrange s (1-1 1", "[[1-2 [a 3 b 4]]]"},
		[2]string{"xrevrange s + - count 1", "[[1700000000000-1 [c 6]]]"}, [2]string{"xrange s - + count 0", "(nil)"}, [2]string{"xrange s x +", "-" + errStreamID},
		[2]string{"xrange s (18446744073709551615-18446744073709551615 +", "-ERR invalid start ID for the interval"}, [2]string{"xrange s - (0-0", "-ERR invalid end ID for the interval"},
		[2]string{"xdel s 1-1 9-9", "1"}, [2]string{"xtrim s maxlen 2", "1"}, [2]string{"xtrim s minid 1700000000000-1", "1"}, [2]string{"xlen s", "1"},
		[2]string{"xadd s nomkstream maxlen 1 * a 1", "1700000000000-2"}, [2]string{"xlen s", "1"}, [2]string{"xadd none nomkstream * a 1", "(nil)"},
		[2]string{"xadd s 0-0 a 1", "-ERR The ID specified in XADD must be greater than 0-0"}, [2]string{"xadd s * a", "-ERR wrong number of arguments for 'xadd' command"},
		[2]string{"xadd s * a b c", "-ERR wrong number of arguments for 'xadd' command"}, [2]string{"xadd s maxlen 1 limit 5 * a 1", "-ERR syntax error, LIMIT cannot be used without the special ~ option"},
		[2]string{"xadd s maxlen 1 minid 1 * a 1", "-" + errBothTrims}, [2]string{"xtrim s limit 3", "-ERR syntax error, LIMIT cannot be used without specifying a trimming strategy"},
		[2]string{"xadd s 18446744073709551615-18446744073709551615 a 1", "18446744073709551615-18446744073709551615"},
		[2]string{"xadd s * a 1", "-ERR The stream has exhausted the last possible ID, unable to add more items"},
		[2]string{"xsetid s 1-1", "-ERR The ID specified in XSETID is smaller than the target stream top item"}, [2]string{"xsetid none 1-1", "-" + errNoKey},
		[2]string{"xread streams s 0", "[[s [[1700000000000-2 [a 1]] [18446744073709551615-18446744073709551615 [a 1]]]]]"}, [2]string{"xread streams s $", "(nil)"},
		[2]string{"xread streams s 0 1", "-ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified."},
		[2]string{"xread count 1 s 0", "-ERR syntax error"}, [2]string{"object encoding s", "stream"}, [2]string{"type s", "stream"},
	)
}

func TestStreamGroups(t *testing.T) {
	r := newRig(t, Config{})
	r.steps(
		[2]string{"xgroup create s g $", "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically."},
		[2]string{"xgroup create s g 0 mkstream", "OK"}, [2]string{"xgroup create s g 0", "-BUSYGROUP Consumer Group name already exists"},
		[2]string{"xadd s 1-1 a 1", "1-1"}, [2]string{"xadd s 2-1 a 2", "2-1"}, [2]string{"xadd s 3-1 a 3", "3-1"},
		[2]string{"xreadgroup group g c count 2 streams s >", "[[s [[1-1 [a 1]] [2-1 [a 2]]]]]"}, [2]string{"xreadgroup group g c streams s 0", "[[s [[1-1 [a 1]] [2-1 [a 2]]]]]"},
		[2]string{"xpending s g", "[2 1-1 2-1 [[c 2]]]"}, [2]string{"xpending s g - + 9", "[[1-1 c 0 2] [2-1 c 0 2]]"}, [2]string{"xinfo groups s", "[[name g consumers 1 pending 2 last-delivered-id 2-1 entries-read 2 lag 1]]"},
		[2]string{"xclaim s g d 0 1-1", "[[1-1 [a 1]]]"}, [2]string{"xclaim s g d 0 9-9", "[]"}, [2]string{"xclaim s g d 5 1-1", "[]"}, [2]string{"xclaim s g d 0 3-1 force justid", "[3-1]"},
		[2]string{"xdel s 2-1", "1"}, [2]string{"xautoclaim s g e 0 0 count 2", "[3-1 [[1-1 [a 1]]] [2-1]]"}, [2]string{"xautoclaim s g e 0 3-1 justid", "[0-0 [3-1] []]"},
		[2]string{"xpending s g - + 9 e", "[[1-1 e 0 4] [3-1 e 0 1]]"}, [2]string{"xack s g 1-1 1-1 9-9", "1"}, [2]string{"xinfo consumers s g", "[[name c pending 0 idle 0] [name d pending 0 idle 0] [name e pending 1 idle 0]]"},
		[2]string{"xgroup delconsumer s g e", "1"}, [2]string{"xgroup createconsumer s g e", "1"}, [2]string{"xgroup createconsumer s g e", "0"}, [2]string{"xpending s g", "[0 (nil) (nil) (nil)]"},
		[2]string{"xgroup setid s g 0", "OK"}, [2]string{"xreadgroup group g e noack count 1 streams s >", "[[s [[1-1 [a 1]]]]]"}, [2]string{"xpending s g", "[0 (nil) (nil) (nil)]"},
		[2]string{"xreadgroup group x c streams s >", "-NOGROUP No such key 's' or consumer group 'x' in XREADGROUP with GROUP option"}, [2]string{"xgroup destroy s g", "1"}, [2]string{"xgroup destroy s g", "0"},
		[2]string{"xgroup create s", "-ERR wrong number of arguments for 'xgroup|create' command"}, [2]string{"xgroup setid s x 0", "-NOGROUP No such consumer group 'x' for key name 's'"},
		[2]string{"xadd s * a 4", "1700000000000-0"}, [2]string{"xinfo stream s full count", "-ERR unknown subcommand or wrong number of arguments for 'stream'. Try XINFO HELP."}, [2]string{"xinfo stream none", "-" + errNoKey},
	)
	r.checkBytes()
}

func TestStreamWaits(t *testing.T) {
	r := newRig(t, Config{})
	r.call("xadd", "s", "1-1", "a", "1")
	r.call("xgroup", "create", "s", "g", "$")
	reader, first, second := r.waits("xread block 0 streams other s 0 $"), r.waits("xreadgroup group g c block 0 streams s >"), r.waits("xreadgroup group g d block 0 streams s >")
	late := r.waits("xread block 100 streams other 0")
	r.call("xadd", "s", "2-1", "a", "2")
	reader.want(t, "[[s [[2-1 [a 2]]]]]")
	first.want(t, "[[s [[2-1 [a 2]]]]]")
	second.want(t, "(nothing)")
	r.call("set", "s", "no stream")
	second.want(t, "-UNBLOCKED the stream key no longer exists")
	r.now = r.now.Add(time.Second)
	r.e.Cycle()
	late.want(t, "(nil)")
	r.call("del", "s")
	r.call("xgroup", "create", "s", "g", "$", "mkstream")
	for command, answer := range map[string]string{
		"xgroup destroy s g": "-NOGROUP the consumer group this client was blocked on no longer exists", "del s": "-UNBLOCKED the stream key no longer exists",
		"rename s t": "-UNBLOCKED the stream key no longer exists", "flushall": "-UNBLOCKED the stream key no longer exists",
	} {
		r.call("xgroup", "create", "s", "g", "$", "mkstream")
		w := r.waits("xreadgroup group g c block 0 streams s >")
		r.say(command)
		w.want(t, answer)
	}
}

func TestStreamEffectsAbsolute(t *testing.T) {
	r := newRig(t, Config{})
	for _, line := range []string{
		"xadd s * a 1", "xadd s maxlen ~ 0 5-* a 2", "xgroup create s g 0 mkstream", "xreadgroup group g c streams s >", "xreadgroup group g c noack streams s >",
	} {
		r.say(line)
	}
	wantEffects(t, r, "XADD s 1700000000000-0 a 1", "xgroup create s g 0 mkstream", "XGROUP CREATECONSUMER s g c",
		"XCLAIM s g c 0 1700000000000-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1700000000000-0", "XGROUP SETID s g 1700000000000-0 ENTRIESREAD 1")
}

// streamIDs are ids of which entries are likely to be there.
const streamIDs = "1-1|1-2|1-3|1-4|1-5|1-6|1-7|1-8|1-9|1-10|1-11|1-12|1-13|1-14|1-15|1-16|1-17|1-18|1-19|1-20"

// streamTemplates make random commands on streams; rig.line says how.
var streamTemplates = []string{
	"xadd s1|s2 1-* a ##", "xadd s1|s2 1-* a # b text", "xadd s1|s2 1-* a ##", "xadd s1|s2 1-* text text", "xadd key * a # b text", "xadd key|s1 maxlen ~ 7 1-* a #", "xadd key maxlen 5 * a # c ##", "xadd s1|key minid ~ 1-9 limit 6 1-* a #", "xadd key nomkstream * b #",
	"xtrim s1|s2 maxlen 18", "xtrim s1|s2 maxlen ~ 12", "xtrim s1 minid = " + streamIDs, "xdel s1|s2 " + streamIDs + " " + streamIDs, "xsetid key 9100000000000-1 entriesadded 50000", "xlen key", "xrange s1 - + count 3", "xrevrange s1 + -", "xread count 2 streams key key 0 0-1",
	"xgroup create s1|s2|key g|h 0|$ mkstream|-", "xgroup create s1|s2 g 0 mkstream", "xgroup setid s1|s2 g|h 0|$|1-1 entriesread|- #|-", "xgroup createconsumer s1|s2 g|h c|d", "xgroup delconsumer s1|s2 g|h c|d|e",
	"xreadgroup group g|h c|d|e count 3 streams s1|s2|key >", "xreadgroup group g|h c|d count 5 streams s1|s2 >", "xreadgroup group g|h c|d count 2 noack|- streams s1|key >", "xreadgroup group g c|d streams s1|s2 0", "xreadgroup group g c|d|e block 5 streams s1 s2 > >", "xread block 5 streams key $",
	"xack s1|s2 g|h " + streamIDs + " " + streamIDs, "xclaim s1|s2 g|h c|d|e 0|100 " + streamIDs + " " + streamIDs + " force|justid|-", "xclaim s1 g d 0 " + streamIDs + " retrycount 7 idle 50", "xautoclaim s1|s2 g|h c|d 0|500 0 count 4 justid|-", "xautoclaim s1 g e 0 -",
	"xpending s1 g|h", "xpending s1 g idle 10 - + 5 c", "xinfo stream s1 full", "xinfo groups s1", "xinfo consumers s1 g", "set key text", "del key", "rename key key", "copy s1|key key|s2 replace", "expire key 2",
}

func TestStreamEffects(t *testing.T) {
	repeats(t, streamTemplates, "s1", "s2", "k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7")
}

// heapOf is what an object of this part's kinds has, counted anew.
func heapOf(obj object) (n, counted int64) {
	switch o := obj.(type) {
	case *stream:
		for _, b := range o.blocks {
			n += b.bytes()
		}
		for _, g := range o.groups {
			n += g.bytes()
		}
		return n, o.heap
	case *zset:
		for member := range o.each {
			n += sizeClass(len(member))
		}
		return n, o.heap
	}
	return 0, 0
}
