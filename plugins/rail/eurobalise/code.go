package eurobalise

// residue is a remainder of division by g, or g without its highest term: 75 bits, lo the lower 64 of them.
type residue struct{ hi, lo uint64 }

// Degrees of f and g.
const (
	fDegree = 10
	gDegree = 75
)

// The polynomials of SUBSET-036 §4.3.2.4 without their highest term, bit i the coefficient of x^i. A telegram is
// divisible by g from whichever bit on it is read, because g divides x^n + 1. f tells where it begins: read from there
// it leaves the remainder that g leaves, and with every bit further another one.
const (
	longF  = 0x2df
	shortF = 0x1ab
)

func longG() residue  { return residue{0x388, 0x739a7a2ed523ba13} }
func shortG() residue { return residue{0x1f7, 0x90c2fef7ca4a3c4b} }

// code is one of the two formats with its tables.
type code struct {
	n, user int                  // bits of a telegram, and of its user data
	byF     [256]uint16          // v(x)·x^10 mod f, by the value v of a byte
	byG     [256]residue         // v(x)·x^75 mod g
	shifts  [1 << fDegree]uint16 // by remainder of f: 1 more than the bit of the telegram that comes first; 0 = none does
}

func (c *code) init(n, user int, f uint16, g residue) {
	c.n, c.user = n, user
	for v := 1; v < len(c.byG); v++ {
		low, rest := v&-v, v&(v-1)
		switch {
		case rest != 0: // division is linear
			c.byF[v] = c.byF[low] ^ c.byF[rest]
			c.byG[v] = residue{c.byG[low].hi ^ c.byG[rest].hi, c.byG[low].lo ^ c.byG[rest].lo}
		case low == 1:
			c.byF[v], c.byG[v] = f, g
		default:
			c.byF[v], c.byG[v] = timesX(c.byF[v/2], f), c.byG[v/2].timesX(g)
		}
	}
	r := uint16(1) // of g, whose highest term is set
	for i := gDegree - 1; i >= 0; i-- {
		r = timesX(r, f) ^ g.bit(i)
	}
	for range c.padding() {
		r = timesX(r, f)
	}
	for shift := range n {
		c.shifts[r] = uint16(shift) + 1
		r = timesX(r, f)
	}
}

// bytes gives how many bytes hold a telegram.
func (c *code) bytes() int { return (c.n + 7) / 8 }

// padding gives the zeros after a telegram in a window's words. They multiply it by a power of x: divisible by g stays
// divisible, and shifts allows for it.
func (c *code) padding() int { return (64 - c.n%64) % 64 }

// remainders divides a telegram with its padding by f and by g.
func (c *code) remainders(w *window) (f uint16, g residue) {
	for _, v := range w[:(c.n+63)/64] {
		for i := 56; i >= 0; i -= 8 {
			b := byte(v >> i)
			f = (f&3<<8 | uint16(b)) ^ c.byF[byte(f>>(fDegree-8))]
			t := &c.byG[byte(g.hi>>(gDegree-64-8))]
			g.hi = (g.hi&7<<8 | g.lo>>56) ^ t.hi
			g.lo = (g.lo<<8 | uint64(b)) ^ t.lo
		}
	}
	return f, g
}

// shift gives the bit of the telegram that comes first in a window of remainder f. Every remainder but zero names
// one in the long format, a third of them in the short one. Zero is that of periodic bits, such as a short telegram
// that is read as a long one.
func (c *code) shift(f uint16) (int, bool) {
	s := c.shifts[f]
	return int(s) - 1, s != 0
}

// timesX is r·x mod f.
func timesX(r, f uint16) uint16 {
	r <<= 1
	if r>>fDegree != 0 {
		r ^= 1<<fDegree | f
	}
	return r
}

// timesX is r·x mod g.
func (r residue) timesX(g residue) residue {
	out := residue{r.hi<<1 | r.lo>>63, r.lo << 1}
	if out.hi>>(gDegree-64) != 0 {
		out.hi ^= 1<<(gDegree-64) | g.hi
		out.lo ^= g.lo
	}
	return out
}

// bit gives the coefficient of x^i.
func (r residue) bit(i int) uint16 {
	if i >= 64 {
		return uint16(r.hi >> (i - 64) & 1)
	}
	return uint16(r.lo >> i & 1)
}
