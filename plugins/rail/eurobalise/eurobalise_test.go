package eurobalise_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/wayside-edge/wayside/plugins/rail/eurobalise"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// lengths are the two formats.
var lengths = []struct {
	name    string
	long    bool
	n, user int
}{
	{"long", true, eurobalise.LongBits, eurobalise.LongUserBits},
	{"short", false, eurobalise.ShortBits, eurobalise.ShortUserBits},
}

// random gives user bits: those of a telegram, packets and then ones.
func random(seed uint64, n int) railtest.Bits {
	rnd := rand.New(rand.NewPCG(seed, 1))
	out := make(railtest.Bits, n)
	for i := range out {
		out[i] = 1
		if i < n*2/3 {
			out[i] = byte(rnd.IntN(2))
		}
	}
	return out
}

// shaped gives a telegram that meets all conditions.
func shaped(tb testing.TB, user railtest.Bits, sb uint16) (railtest.Shaping, railtest.Bits) {
	tb.Helper()
	s, tele, ok := railtest.Shaping{SB: sb}.Find(user)
	if !ok {
		tb.Fatal("no shaping found")
	}
	return s, tele
}

// check compares a decoded telegram with what was shaped.
func check(t *testing.T, got eurobalise.Telegram, user railtest.Bits, s railtest.Shaping, shift int, inverted bool) {
	t.Helper()
	var want eurobalise.Telegram
	copy(want.User[:], user.Pack())
	want.UserBits, want.Long, want.SB, want.ESB = len(user), len(user) == eurobalise.LongUserBits, s.SB, s.ESB
	want.Shift, want.Inverted = shift, inverted
	if got != want {
		t.Fatalf("decoded as\n%+v, want\n%+v", got, want)
	}
}

func wantReason(t *testing.T, err error, want eurobalise.Reason) {
	t.Helper()
	if got := eurobalise.ReasonOf(err); got != want || err.Error() == "" {
		t.Fatalf("reason %q (%v), want %q", got, err, want)
	}
}

// TestEveryRotation reads a telegram from each of its bits, in both polarities.
func TestEveryRotation(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		t.Run(l.name, func(t *testing.T) {
			user := random(1, l.user)
			s, tele := shaped(t, user, 0)
			for i := range l.n {
				for _, inverted := range []bool{false, true} {
					w := tele.From(i)
					if inverted {
						w = w.Inverted()
					}
					got, err := dec.Decode(w.Pack(), l.long)
					if err != nil {
						t.Fatalf("from bit %d, inverted %v: %v", i, inverted, err)
					}
					check(t, got, user, s, i, inverted)
				}
			}
		})
	}
}

// TestScrambling reads telegrams of many scrambling bits.
func TestScrambling(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		t.Run(l.name, func(t *testing.T) {
			seen := 0
			for sb := uint16(0); sb < 1<<12; seen++ {
				user := random(uint64(sb)+7, l.user)
				s, tele, ok := railtest.Shaping{SB: sb}.Find(user)
				if !ok {
					break
				}
				got, err := dec.Decode(tele.Pack(), l.long)
				if err != nil {
					t.Fatalf("%+v: %v", s, err)
				}
				check(t, got, user, s, 0, false)
				sb = s.SB + 211
			}
			if seen < 5 {
				t.Errorf("only %d telegrams", seen)
			}
		})
	}
}

// TestFlips has wrong bits in a telegram, which must never pass for a telegram.
func TestFlips(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		t.Run(l.name, func(t *testing.T) {
			_, tele := shaped(t, random(2, l.user), 0)
			for i := range l.n {
				_, err := dec.Decode(tele.Flipped(i).Pack(), l.long)
				wantReason(t, err, eurobalise.Parity)
				for j := i + 1; j < l.n; j += 1 + (i+j)%29 {
					_, err := dec.Decode(tele.Flipped(i, j).Pack(), l.long)
					wantReason(t, err, eurobalise.Parity)
				}
			}
		})
	}
}

// TestPaddingIsNotLookedAt sets the bits after the last one.
func TestPaddingIsNotLookedAt(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		user := random(3, l.user)
		s, tele := shaped(t, user, 100)
		b := tele.Pack()
		b[len(b)-1] |= 0xff >> (l.n % 8)
		got, err := dec.Decode(b, l.long)
		if err != nil {
			t.Fatal(l.name, err)
		}
		check(t, got, user, s, 0, false)
	}
}

// TestAlphabet has telegrams whose check bits are no words, as all but the chosen extra shaping bits make them.
func TestAlphabet(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		user := random(4, l.user)
		s, _ := shaped(t, user, 0)
		bad := 0
		for esb := range uint16(1 << 10) {
			got, err := dec.Decode(railtest.Shaping{SB: s.SB, ESB: esb}.Shape(user).From(17).Pack(), l.long)
			if err != nil {
				wantReason(t, err, eurobalise.Alphabet)
				bad++
				continue
			}
			check(t, got, user, railtest.Shaping{SB: s.SB, ESB: esb}, 17, false)
		}
		if bad < 500 || bad == 1<<10 {
			t.Errorf("%s: %d of 1024 extra shaping bits give bad words", l.name, bad)
		}
	}
}

// TestControlBits has a telegram of another format: only its control bits are wrong.
func TestControlBits(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		_, tele, ok := railtest.Shaping{Strange: true}.Find(random(5, l.user))
		if !ok {
			t.Fatal("no shaping found")
		}
		for _, w := range []railtest.Bits{tele, tele.From(5), tele.Inverted()} {
			_, err := dec.Decode(w.Pack(), l.long)
			wantReason(t, err, eurobalise.Control)
		}
	}
}

// TestSync has bits that are divisible by the polynomial but begin nowhere.
func TestSync(t *testing.T) {
	dec := eurobalise.NewDecoder()
	_, short := shaped(t, random(6, eurobalise.ShortUserBits), 0)
	thrice := append(append(append(railtest.Bits{}, short...), short...), short...)
	for _, w := range []struct {
		bits railtest.Bits
		long bool
	}{
		{make(railtest.Bits, eurobalise.LongBits), true},
		{make(railtest.Bits, eurobalise.ShortBits), false},
		{make(railtest.Bits, eurobalise.LongBits).Inverted(), true},
		{make(railtest.Bits, eurobalise.ShortBits).Inverted(), false},
		{thrice, true},
		{thrice.From(100), true},
	} {
		_, err := dec.Decode(w.bits.Pack(), w.long)
		wantReason(t, err, eurobalise.Sync)
	}
	// A telegram plus a multiple of g: for two remainders of f in three no rotation has it.
	_, other := shaped(t, random(7, eurobalise.ShortUserBits), 0)
	failed := 0
	for i := range eurobalise.ShortBits {
		w := other.From(i)
		for j := range w {
			w[j] ^= short[j]
		}
		if _, err := dec.Decode(w.Pack(), false); err == nil {
			t.Fatalf("the sum of two telegrams, %d bits apart, is taken for one", i)
		} else if eurobalise.ReasonOf(err) == eurobalise.Sync {
			failed++
		} else {
			wantReason(t, err, eurobalise.Alphabet)
		}
	}
	if failed < 150 {
		t.Errorf("%d of 341 sums begin nowhere", failed)
	}
}

func TestBadLength(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		for _, n := range []int{0, 1, l.n / 8, l.n/8 + 2, 1000} {
			_, err := dec.Decode(make([]byte, n), l.long)
			wantReason(t, err, eurobalise.BadLength)
		}
		for _, n := range []int{-1, 0, l.n - 1, 2*l.n + 1} {
			_, err := dec.DecodeWindow(make([]byte, 1000), n, l.long)
			wantReason(t, err, eurobalise.BadLength)
		}
		_, err := dec.DecodeWindow(make([]byte, l.n/8), l.n, l.long)
		wantReason(t, err, eurobalise.BadLength)
	}
	if r := eurobalise.ReasonOf(nil); r != "" {
		t.Errorf("no error has reason %q", r)
	}
}

// TestWindow has more than a period: the further bits repeat the first ones, or belong to something else.
func TestWindow(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		user := random(8, l.user)
		s, tele := shaped(t, user, 50)
		twice := append(append(railtest.Bits{}, tele...), tele...)
		for _, n := range []int{l.n, l.n + 1, l.n + 77, l.n + 121, 2 * l.n} {
			got, err := dec.DecodeWindow(twice[:n].Pack(), n, l.long)
			if err != nil {
				t.Fatal(l.name, n, err)
			}
			check(t, got, user, s, 0, false)
			for _, at := range []int{0, n - l.n - 1, l.n, n - 1} {
				if at >= 0 && at < n && n > l.n {
					_, err := dec.DecodeWindow(twice[:n].Flipped(at).Pack(), n, l.long)
					wantReason(t, err, eurobalise.Parity)
				}
			}
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		_, tele := shaped(t, random(9, l.user), 0)
		b := tele.From(300).Inverted().Pack()
		if n := testing.AllocsPerRun(100, func() {
			if _, err := dec.Decode(b, l.long); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations a telegram", l.name, n)
		}
	}
}

// FuzzDecode decodes bytes as they are, which must give back the same bits when shaped again; and shapes them, which
// must give back the same bytes unless the check bits happen to be no words.
func FuzzDecode(f *testing.F) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		_, tele := shaped(f, random(10, l.user), 0)
		f.Add(tele.Pack(), l.long, uint16(0), uint16(0))
		f.Add(tele.From(7).Inverted().Pack(), l.long, uint16(100), uint16(999))
		f.Add(random(11, l.user).Pack(), l.long, uint16(300), uint16(5))
	}
	f.Add(make([]byte, 128), true, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, b []byte, long bool, sb, esb uint16) {
		l := lengths[0]
		if !long {
			l = lengths[1]
		}
		got, err := dec.Decode(b, long)
		if err == nil {
			s := railtest.Shaping{SB: got.SB, ESB: got.ESB}
			tele := s.Shape(railtest.Unpack(got.User[:], got.UserBits)).From(got.Shift)
			if got.Inverted {
				tele = tele.Inverted()
			}
			if !bytes.Equal(tele, railtest.Unpack(b, l.n)) {
				t.Fatalf("%x is decoded as %+v, which is sent as %x", b, got, tele.Pack())
			}
		} else if eurobalise.ReasonOf(err) == "" {
			t.Fatalf("no reason: %v", err)
		}
		if len(b)*8 < l.user {
			return
		}
		user := railtest.Unpack(b, l.user)
		s := railtest.Shaping{SB: sb % (1 << 12), ESB: esb % (1 << 10)}
		shift := int(sb) % l.n
		got, err = dec.Decode(s.Shape(user).From(shift).Pack(), long)
		if err != nil {
			wantReason(t, err, eurobalise.Alphabet)
			return
		}
		check(t, got, user, s, shift, false)
	})
}

// BenchmarkNewDecoder is what the first shaped telegram of a recording waits for.
func BenchmarkNewDecoder(b *testing.B) {
	for b.Loop() {
		eurobalise.NewDecoder()
	}
}

func BenchmarkDecode(b *testing.B) {
	dec := eurobalise.NewDecoder()
	for _, l := range lengths {
		b.Run(l.name, func(b *testing.B) {
			_, tele := shaped(b, random(12, l.user), 0)
			bits := tele.From(99).Pack()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := dec.Decode(bits, l.long); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
