package engine

import (
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestBits(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`setbit b 1 1`, "0"},
		{`setbit b 1 0`, "1"},
		{`get b`, "\x00"},
		{`setbit b 0 2`, "-ERR bit is not an integer or out of range"},
		{`setbit b 4294967296 1`, "-ERR bit offset is not an integer or out of range"},
		{`setbit b 9000000000000 1`, "-ERR bit offset is not an integer or out of range"},
		{`setbit b -1 1`, "-ERR bit offset is not an integer or out of range"},
		{`getbit b 100`, "0"},
		{`set b foobar`, "OK"},
		{`bitcount b`, "26"},
		{`bitcount b 0 0`, "4"},
		{`bitcount b 1 1`, "6"},
		{`bitcount b 5 30 bit`, "17"},
		{`bitcount b -1 -2`, "0"},
		{`bitcount b 0`, "-ERR syntax error"},
		{`bitcount b 0 1 bytes`, "-ERR syntax error"},
		{`bitcount none 0`, "0"},
		{`set b "\xff\xf0\x00"`, "OK"},
		{`bitpos b 0`, "12"},
		{`bitpos b 1`, "0"},
		{`set b "\xff\xff"`, "OK"},
		{`bitpos b 0`, "16"},
		{`bitpos b 0 0 -1`, "-1"},
		{`bitpos b 0 1`, "16"},
		{`bitpos b 1 3`, "-1"},
		{`bitpos none 0`, "0"},
		{`bitpos none 1`, "-1"},
		{`bitpos b 2`, "-ERR The bit argument must be 1 or 0."},
		{`bitpos b 1 7 15 bit`, "7"},
		{`mset x "abc" y "ab"`, "OK"},
		{`bitop and z x y`, "3"},
		{`get z`, "ab\x00"},
		{`bitop not z x y`, "-" + errBitNot},
		{`bitop xor z x x`, "3"},
		{`get z`, "\x00\x00\x00"},
		{`bitop or z none`, "0"},
		{`exists z`, "0"},
		{`bitop nand z x`, "-ERR syntax error"},
	}...)
}

func TestBitfields(t *testing.T) {
	newRig(t, Config{}).steps([][2]string{
		{`bitfield f incrby i5 100 1 get u4 0`, "[1 0]"},
		{`bitfield f set u8 0 255 get i8 0`, "[0 -1]"},
		{`bitfield f2 incrby u2 100 3 overflow sat incrby u2 102 3`, "[3 3]"},
		{`bitfield f overflow fail incrby u8 0 1`, "[(nil)]"},
		{`bitfield f overflow sat incrby u8 0 1 overflow wrap incrby u8 0 1`, "[255 0]"},
		{`bitfield f set i8 #1 -129 get i8 #1`, "[0 127]"},
		{`bitfield f get u64 0`, "-" + errBitfieldType},
		{`bitfield f get i65 0`, "-" + errBitfieldType},
		{`bitfield f get x8 0`, "-" + errBitfieldType},
		{`bitfield f get u 0`, "-" + errBitfieldType},
		{`bitfield f overflow what get u8 0`, "-" + errBitfieldOverflow},
		{`bitfield f get u8 #9223372036854775807`, "-ERR bit offset is not an integer or out of range"},
		{`bitfield f set u8 0`, "-ERR syntax error"},
		{`bitfield f set i64 4294967295 1`, "-" + errTooLong},
		{`bitfield_ro f set u8 0 1`, "-" + errBitfieldRO},
		{`bitfield_ro none get u8 0`, "[0]"},
		{`bitfield g overflow fail incrby i64 0 9223372036854775807 incrby i64 0 1`, "[9223372036854775807 (nil)]"},
	}...)
}

// TestBitfieldArithmetic compares results with sums of numbers without bounds.
func TestBitfieldArithmetic(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		f := bitfield{do: 'i', over: "wsf"[rng.IntN(3)], signed: rng.IntN(2) == 0, n: int64(rng.Uint64()) >> rng.IntN(64)}
		f.width = 1 + rng.IntN(63)
		old := f.narrow(rng.Uint64())
		least, most := new(big.Int), new(big.Int)
		if f.signed {
			most.Lsh(big.NewInt(1), uint(f.width-1))
			least.Neg(most)
		} else {
			most.Lsh(big.NewInt(1), uint(f.width))
		}
		most.Sub(most, big.NewInt(1))
		sum := new(big.Int).Add(big.NewInt(old), big.NewInt(f.n))
		over := sum.Cmp(least) < 0 || sum.Cmp(most) > 0
		want := sum
		switch {
		case over && f.over == 's' && sum.Cmp(least) < 0:
			want = least
		case over && f.over == 's':
			want = most
		case over: // modulo the width
			span := new(big.Int).Lsh(big.NewInt(1), uint(f.width))
			want = new(big.Int).Sub(sum, least)
			want.Mod(want, span).Add(want, least)
		}
		n, got := f.result(old)
		if got != over || n != want.Int64() {
			t.Fatalf("%+v of %d: %d over %v, want %v over %v", f, old, n, got, want, over)
		}
	}
}

// TestBitsAgainstModel compares what works by words with what looks at each bit.
func TestBitsAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		b := make([]byte, rng.IntN(40))
		fill := byte(0)
		if rng.IntN(2) == 0 {
			fill = 0xff
		}
		for i := range b {
			if b[i] = fill; rng.IntN(8) == 0 {
				b[i] = byte(rng.Uint32())
			}
		}
		n := int64(len(b)) * 8
		first, end := rng.Int64N(n+1), rng.Int64N(n+1)
		if first > end {
			first, end = end, first
		}
		count, at := int64(0), [2]int64{-1, -1}
		for i := first; i < end; i++ {
			bit := int64(b[i/8]>>(7-i%8)) & 1
			if count += bit; at[bit] < 0 {
				at[bit] = i
			}
		}
		if got := countBits(b, first, end); got != count {
			t.Fatalf("%x from %d to %d: %d bits, want %d", b, first, end, got, count)
		}
		for bit := range byte(2) {
			if got := findBit(b, bit, first, end); got != at[bit] {
				t.Fatalf("%x from %d to %d: bit %d at %d, want %d", b, first, end, bit, got, at[bit])
			}
		}
		f := bitfield{width: 1 + rng.IntN(64), at: rng.Int64N(200), signed: rng.IntN(2) == 0}
		room := append(make([]byte, 0, 64), b...)[:64]
		v := f.narrow(rng.Uint64())
		if f.save(room, v); f.load(room) != v {
			t.Fatalf("%+v: %d was saved, %d loaded", f, v, f.load(room))
		}
	}
}
