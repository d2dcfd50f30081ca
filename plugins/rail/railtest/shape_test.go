package railtest

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func randomBits(seed uint64, n int) Bits {
	rnd := rand.New(rand.NewPCG(seed, 2))
	b := make(Bits, n)
	for i := range b {
		b[i] = byte(rnd.IntN(2))
	}
	return b
}

// TestConditions breaks each condition of a telegram that meets them all.
func TestConditions(t *testing.T) {
	user := randomBits(1, 830)
	_, tele, ok := Shaping{}.Find(user)
	if !ok {
		t.Fatal("no shaping found")
	}
	c := newShaper(user)
	if !c.valid(tele) || !aperiodic(tele) || c.undersampled(tele) {
		t.Fatal("a telegram that was found meets not all conditions")
	}
	_, short, ok := Shaping{}.Find(randomBits(2, 210))
	if !ok {
		t.Fatal("no shaping found")
	}
	for name, broken := range map[string]Bits{
		"alphabet":      slices.Concat(tele[:22], make(Bits, 11), tele[33:]),
		"off-synch":     tele.From(1),
		"aperiodicity":  slices.Concat(short, short, short),
		"undersampling": spread(tele, 4),
	} {
		if c.valid(broken) {
			t.Errorf("%s: the telegram is still valid", name)
		}
	}
	for _, step := range []int{2, 4, 8, 16} {
		if !c.undersampled(spread(tele, step)) {
			t.Errorf("every %dth bit is a telegram, and nothing is said", step)
		}
	}
	if c.undersampled(spread(tele, 32)) {
		t.Error("every 32nd bit is looked at")
	}
}

// spread gives bits of which every step-th are b.
func spread(b Bits, step int) Bits {
	out := make(Bits, len(b))
	for i := range b {
		out[i*step%len(b)] = b[i]
	}
	return out
}

// TestAperiodicDistances has one stretch of 22 bits that comes again a third further, with some bits different.
func TestAperiodicDistances(t *testing.T) {
	b := randomBits(3, 1023)
	if !aperiodic(b) {
		t.Fatal("the bits are periodic by chance; take another seed")
	}
	const at = 11 * 40
	for k := -4; k <= 4; k++ {
		for different := range 5 {
			again := slices.Clone(b)
			for j := range 22 {
				again[at+j+341+k] = again[at+j]
				if j%4 == 0 && j/4 < different {
					again[at+j+341+k] ^= 1
				}
			}
			want := different >= 2
			switch k {
			case 0:
				want = different >= 3
			case -4, 4:
				want = true
			}
			if got := aperiodic(again); got != want {
				t.Errorf("%d bits from a third, %d bits different: %v, want %v", k, different, got, want)
			}
		}
	}
}

// TestFindSkipsWhatIsBroken looks at what was passed over last.
func TestFindSkipsWhatIsBroken(t *testing.T) {
	user := randomBits(4, 210)
	s, tele, ok := Shaping{SB: 400}.Find(user)
	if !ok || !slices.Equal(tele, s.Shape(user)) {
		t.Fatalf("%+v %v is not what Shape gives", s, ok)
	}
	c := newShaper(user)
	for esb := range s.ESB {
		if c.valid(Shaping{SB: s.SB, ESB: esb}.Shape(user)) {
			t.Errorf("%d and %d are valid and come before %+v", s.SB, esb, s)
		}
	}
}
