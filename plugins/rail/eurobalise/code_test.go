package eurobalise

import (
	"bufio"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// polynomial has the given terms.
func polynomial(exponents ...int) *big.Int {
	p := new(big.Int)
	for _, e := range exponents {
		p.SetBit(p, e, 1)
	}
	return p
}

func times(a, b *big.Int) *big.Int {
	p := new(big.Int)
	for i := range a.BitLen() {
		if a.Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(b, uint(i)))
		}
	}
	return p
}

func mod(a, m *big.Int) *big.Int {
	r := new(big.Int).Set(a)
	for r.BitLen() >= m.BitLen() {
		r.Xor(r, new(big.Int).Lsh(m, uint(r.BitLen()-m.BitLen())))
	}
	return r
}

func fBig(f uint16) *big.Int { return new(big.Int).SetUint64(1<<fDegree | uint64(f)) }

func gBig(g residue) *big.Int {
	p := new(big.Int).SetUint64(1<<(gDegree-64) | g.hi)
	return p.Lsh(p, 64).Or(p, new(big.Int).SetUint64(g.lo))
}

// TestPolynomials checks what the two formats rest on; a wrong term breaks at least one.
func TestPolynomials(t *testing.T) {
	fL, fS, gL, gS := fBig(longF), fBig(shortF), gBig(longG()), gBig(shortG())
	wantL := polynomial(75, 73, 72, 71, 67, 62, 61, 60, 57, 56, 55, 52, 51, 49, 46, 45, 44, 43, 41, 37, 35, 34, 33, 31, 30, 28, 26, 24, 21, 17,
		16, 15, 13, 12, 11, 9, 4, 1, 0)
	wantS := polynomial(75, 72, 71, 70, 69, 68, 66, 65, 64, 63, 60, 55, 54, 49, 47, 46, 45, 44, 43, 42, 41, 39, 38, 37, 36, 34, 33, 32, 31, 30,
		27, 25, 22, 19, 17, 13, 12, 11, 10, 6, 3, 1, 0)
	for name, c := range map[string]struct{ got, want *big.Int }{
		"fL": {fL, polynomial(10, 9, 7, 6, 4, 3, 2, 1, 0)}, "fS": {fS, polynomial(10, 8, 7, 5, 3, 1, 0)}, "gL": {gL, wantL}, "gS": {gS, wantS},
	} {
		if c.got.Cmp(c.want) != 0 {
			t.Errorf("%s is %x, want %x", name, c.got, c.want)
		}
	}
	thirds := polynomial(682, 341, 0)
	for name, c := range map[string]struct{ whole, part *big.Int }{
		"gL, x^1023+1":             {polynomial(LongBits, 0), gL},
		"gS, x^341+1":              {polynomial(ShortBits, 0), gS},
		"fL, x^1023+1":             {polynomial(LongBits, 0), fL},
		"fS, x^341+1":              {polynomial(ShortBits, 0), fS},
		"gL, gS·(x^682+x^341+1)":   {times(gS, thirds), gL},
		"fL, x^682+x^341+1":        {thirds, fL},
		"gL, a short one repeated": {times(times(gS, polynomial(77, 5, 0)), thirds), gL},
	} {
		if mod(c.whole, c.part).Sign() != 0 {
			t.Errorf("%s: does not divide", name)
		}
	}
	d := NewDecoder()
	for _, c := range []*code{&d.long, &d.short} {
		n := 0
		for _, s := range c.shifts {
			if s != 0 {
				n++
			}
		}
		if n != c.n || c.shifts[0] != 0 {
			t.Errorf("%d remainders name a shift, want %d and not zero", n, c.n)
		}
	}
}

// TestRemainders compares the tables with long division.
func TestRemainders(t *testing.T) {
	d := NewDecoder()
	for _, c := range []struct {
		c    *code
		f, g *big.Int
	}{{&d.long, fBig(longF), gBig(longG())}, {&d.short, fBig(shortF), gBig(shortG())}} {
		for seed := range 50 {
			b := make([]byte, c.c.bytes())
			p := new(big.Int)
			for i := range c.c.n {
				if (i*i+seed*i*7+seed)%11 < 5 {
					b[i/8] |= 0x80 >> (i % 8)
					p.SetBit(p, c.c.n-1-i, 1)
				}
			}
			d.got.load(b, c.c.n)
			f, g := c.c.remainders(&d.got)
			p.Lsh(p, uint(c.c.padding()))
			if got, want := uint64(f), mod(p, c.f).Uint64(); got != want {
				t.Fatalf("%d bits mod f: %x, want %x", c.c.n, got, want)
			}
			got := new(big.Int).SetUint64(g.hi)
			got.Lsh(got, 64).Or(got, new(big.Int).SetUint64(g.lo))
			if want := mod(p, c.g); got.Cmp(want) != 0 {
				t.Fatalf("%d bits mod g: %x, want %x", c.c.n, got, want)
			}
		}
	}
}

// words gives the words of the code in ascending order.
func words() []int {
	var out []int
	for w := range 1 << wordBits {
		if isWord(w) {
			out = append(out, w)
		}
	}
	return out
}

// TestWords checks the sums that the annex gives, and that a word's complement is a word.
func TestWords(t *testing.T) {
	all := words()
	if len(all) != 1<<blockBits {
		t.Fatalf("%d words, want %d", len(all), 1<<blockBits)
	}
	values := NewDecoder().values
	half, sum := 0, 0
	for i, w := range all {
		if sum += w; i < len(all)/2 {
			half += w
		}
		if values[w] != uint16(i) {
			t.Errorf("word %04o has value %d, want %d", w, values[w], i)
		}
	}
	if half != 267_528 || sum != 1_048_064 {
		t.Errorf("the sums are %d and %d, want 267528 and 1048064", half, sum)
	}
}

func TestWordsAreThoseOfTheAnnex(t *testing.T) {
	f, err := os.Open(filepath.FromSlash("../../../../shared/specs/subset036_words.txt"))
	if err != nil {
		t.Skip("no facts beside the project: ", err)
	}
	defer f.Close()
	all := words()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		want, err := strconv.ParseInt(lines.Text(), 8, 0)
		if err != nil || n >= len(all) || int64(all[n]) != want {
			t.Fatalf("word %d: %04o, the annex has %s (%v)", n, all[n], lines.Text(), err)
		}
		n++
	}
	if n != len(all) {
		t.Errorf("the annex has %d words, want %d", n, len(all))
	}
}
