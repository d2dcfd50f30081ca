package engine

import (
	"encoding/hex"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"
)

// TestHLLForm compares the bytes with those that Redis 7.0.15 keeps for the same elements.
func TestHLLForm(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([][2]string{{`pfadd h a b c d e f g`, "1"}, {`pfadd h a`, "0"}, {`pfcount h`, "7"}, {`pfdebug encoding h`, "sparse"}}...)
	const want = "48594c4c010000000700000000000000466d80560c80443c84388050b184498c80426d80425a"
	if got := hex.EncodeToString([]byte(r.say("get h"))); got != want {
		t.Errorf("kept as\n %s, want\n %s", got, want)
	}
}

// TestHLLForms raises the same registers in the sparse and the dense form and in an array.
func TestHLLForms(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		sparse := newHLL()
		dense, _ := hllToDense(sparse)
		var plain [hllRegisters]uint8
		for range 1 + rng.IntN(3000) {
			reg, rank := rng.IntN(hllRegisters), uint8(1+rng.IntN(6))
			if rng.IntN(4) == 0 {
				reg = rng.IntN(40)
			}
			before := plain[reg]
			plain[reg] = max(before, rank)
			out, up, ok := hllSet(sparse, reg, rank, 3000)
			if !ok || up != (rank > before) || hllRaise(dense, reg, rank) != up {
				t.Fatalf("register %d from %d to %d: raised %v, %v", reg, before, rank, up, ok)
			}
			sparse = out
		}
		var runs, counts hllCounts
		var regs [hllRegisters]uint8
		if !hllMax(&regs, sparse) || regs != plain {
			t.Fatal("the registers differ")
		}
		if !runs.count(sparse) || !counts.count(dense) || runs != counts {
			t.Fatal("the counts differ")
		}
	}
}

func TestHLLError(t *testing.T) {
	b, n := newHLL(), 0
	for _, most := range []int{100, 1000, 10000, 100000} {
		for ; n < most; n++ {
			reg, rank := hllPlace([]byte("element " + strconv.Itoa(n)))
			b, _, _ = hllSet(b, reg, rank, 3000)
		}
		var c hllCounts
		c.count(b)
		if miss := math.Abs(float64(c.estimate())/float64(n) - 1); miss > 0.03 {
			t.Errorf("%d elements are estimated as %d", n, c.estimate())
		}
	}
}

func TestHLLCommands(t *testing.T) {
	r := newRig(t, Config{})
	r.steps([][2]string{
		{`pfadd a 1 2 3`, "1"},
		{`pfadd b 3 4 5`, "1"},
		{`pfcount a b`, "5"},
		{`pfcount a b none`, "5"},
		{`pfcount none`, "0"},
		{`pfmerge c a b`, "OK"},
		{`pfcount c`, "5"},
		{`pfdebug todense a`, "1"},
		{`pfdebug todense a`, "0"},
		{`pfcount a`, "3"},
		{`pfmerge c a`, "OK"},
		{`pfdebug encoding c`, "dense"},
		{`pfadd empty`, "1"},
		{`pfadd empty`, "0"},
		{`pfdebug decode empty`, "Z:16384"},
		{`pfdebug what c`, "-ERR Unknown PFDEBUG subcommand 'what'"},
		{`pfdebug decode c`, "-ERR HLL encoding is not sparse"},
		{`pfdebug getreg none`, "-ERR The specified key does not exist"},
		{`pfselftest`, "OK"},
		{`set s hello`, "OK"},
		{`pfadd s 1`, "-" + errNoHLL},
		{`pfcount a s`, "-" + errNoHLL},
		{`pfmerge s a`, "-" + errNoHLL},
		{`pfadd bad 1 2 3`, "1"},
		{`append bad x`, "28"},
	}...)
	r.say(`append bad hello`)
	if got := r.say("pfcount bad"); got != "-"+errBrokenHLL {
		t.Errorf("of what has too many registers: %s", got)
	}
	r.say(`pfadd cut 1 2 3`)
	r.call("setrange", "cut", "15", "\x80")
	r.call("set", "cut", r.say("getrange cut 0 17"))
	if got := r.say("pfcount cut"); got != "-"+errBrokenHLL {
		t.Errorf("of what is cut off: %s", got)
	}
}

// FuzzHLL has the commands work on what is no HyperLogLog but looks like one.
func FuzzHLL(f *testing.F) {
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f\xff"), []byte("a"))
	f.Add([]byte("HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x7f"), []byte("b"))
	f.Add(newHLL(), []byte("element"))
	f.Fuzz(func(t *testing.T, b, element []byte) {
		r := newRig(t, Config{})
		for _, cmd := range [][]string{{"pfadd", "h", string(element)}, {"pfcount", "h"}, {"pfcount", "h", "other"}, {"pfmerge", "m", "h"}, {"pfdebug", "decode", "h"}, {"pfdebug", "todense", "h"}} {
			r.call("set", "h", string(b))
			r.call("pfadd", "other", "x")
			r.call(cmd...)
		}
		if r.e.stats.Panics > 0 {
			t.Fatal("a command has failed")
		}
		r.checkBytes()
	})
}
