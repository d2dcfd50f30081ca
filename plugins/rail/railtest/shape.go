package railtest

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Bits is a string of bits, one a byte.
type Bits []byte

// Unpack gives the first n bits of b.
func Unpack(b []byte, n int) Bits {
	out := make(Bits, n)
	for i := range out {
		out[i] = b[i/8] >> (7 - i%8) & 1
	}
	return out
}

// Pack gives the bits eight to a byte, with zeros after the last one.
func (b Bits) Pack() []byte {
	out := make([]byte, (len(b)+7)/8)
	for i, bit := range b {
		out[i/8] |= bit << (7 - i%8)
	}
	return out
}

// From gives the same period read from bit i on.
func (b Bits) From(i int) Bits { return slices.Concat(b[i:], b[:i]) }

// Flipped gives the bits with those at some places the other way round.
func (b Bits) Flipped(at ...int) Bits {
	out := slices.Clone(b)
	for _, i := range at {
		out[i] ^= 1
	}
	return out
}

// Inverted gives every bit the other way round.
func (b Bits) Inverted() Bits {
	out := slices.Clone(b)
	for i := range out {
		out[i] ^= 1
	}
	return out
}

// number reads k bits from place i on, going on at the front.
func (b Bits) number(i, k int) int {
	v := 0
	for j := range k {
		v = v<<1 | int(b[(i+j)%len(b)])
	}
	return v
}

// put appends the low k bits of v.
func (b Bits) put(v, k int) Bits {
	for i := k - 1; i >= 0; i-- {
		b = append(b, byte(v>>i&1))
	}
	return b
}

// Shaping is how the user bits of a telegram are shaped for the air after SUBSET-036 §4.3.2.
type Shaping struct {
	SB, ESB uint16 // scrambling and extra shaping bits
	Strange bool   // control bits of a format that does not exist
}

// Shape gives one period of the telegram, of 1023 bits for 830 user bits and of 341 for 210. It does not look whether
// the conditions hold: see Find.
func (s Shaping) Shape(user Bits) Bits {
	c := newShaper(user)
	head := c.head(user, s)
	return c.whole(head, c.remainder(head), int(s.ESB))
}

// Find gives the first shaping, from s.SB on, whose telegram meets every condition of §4.3.2.5; false where no
// scrambling bits are left.
func (s Shaping) Find(user Bits) (Shaping, Bits, bool) {
	c := newShaper(user)
	for sb := int(s.SB); sb < 1<<12; sb++ {
		s.SB = uint16(sb)
		head := c.head(user, s)
		if !c.parses(head, len(head)-10) {
			continue // no extra shaping bits mend that
		}
		rest := c.remainder(head)
		for esb := range 1 << 10 {
			if t := c.whole(head, rest, esb); c.valid(t) {
				s.ESB = uint16(esb)
				return s, t, true
			}
		}
	}
	return s, nil, false
}

// shaper knows the words and the polynomials of one format. They are written down here once more, in another form
// than the decoder's: the words as ranges of octal numbers, as in the annex, polynomials as exponents.
type shaper struct {
	n     int
	words []int
	known [1 << 11]bool
	g, fg *big.Int
}

func newShaper(user Bits) *shaper {
	f, g, n := "10 8 7 5 3 1 0", "75 72 71 70 69 68 66 65 64 63 60 55 54 49 47 46 45 44 43 42 41 39 38 37 36 34 33 32 31 "+
		"30 27 25 22 19 17 13 12 11 10 6 3 1 0", 341
	switch len(user) {
	case 830:
		n = 1023
		f, g = "10 9 7 6 4 3 2 1 0", "75 73 72 71 67 62 61 60 57 56 55 52 51 49 46 45 44 43 41 37 35 34 33 31 30 28 26 24 21 17 16 "+
			"15 13 12 11 9 4 1 0"
	case 210:
	default:
		panic("railtest: a telegram has 830 or 210 user bits")
	}
	c := &shaper{n: n, words: annexB2(), g: polynomial(g)}
	c.fg = product(polynomial(f), c.g)
	for _, w := range c.words {
		c.known[w] = true
	}
	return c
}

// head gives all before the extra shaping bits.
func (c *shaper) head(user Bits, s Shaping) Bits {
	blocks := make([]int, len(user)/10)
	sum := 0
	for i := range blocks {
		blocks[i] = user.number(10*i, 10)
		sum += blocks[i]
	}
	blocks[0] = sum % 1024
	state := new(big.Int).Mul(big.NewInt(2801775573), big.NewInt(int64(s.SB))).Uint64() % (1 << 32)
	var out Bits
	for _, v := range blocks {
		scrambled := 0
		for i := 9; i >= 0; i-- {
			bit := int(state>>31) ^ v>>i&1
			state = (state << 1) % (1 << 32)
			if bit == 1 {
				state ^= 0xEA000001
			}
			scrambled = scrambled<<1 | bit
		}
		out = out.put(c.words[scrambled], 11)
	}
	control := 1
	if s.Strange {
		control = 2
	}
	return out.put(control, 3).put(int(s.SB), 12)
}

// remainder divides what comes before the extra shaping bits by f·g.
func (c *shaper) remainder(head Bits) *big.Int {
	return modulo(new(big.Int).Lsh(head.polynomial(), 95), c.fg)
}

// whole appends extra shaping bits and check bits. Division is linear, so that of the head is done once only.
func (c *shaper) whole(head Bits, rest *big.Int, esb int) Bits {
	check := modulo(new(big.Int).Lsh(big.NewInt(int64(esb)), 85), c.fg)
	check.Xor(check, rest).Xor(check, c.g)
	t := slices.Clone(head).put(esb, 10)
	for i := 84; i >= 0; i-- {
		t = append(t, byte(check.Bit(i)))
	}
	return t
}

// valid looks at the four conditions.
func (c *shaper) valid(t Bits) bool {
	return c.parses(t, 2*c.n) && (c.n == 341 || aperiodic(t)) && !c.undersampled(t)
}

// parses looks at the words that begin before end: where they are they are words of the code, elsewhere too few in a
// row are. Twice the length takes in the runs that go on at the front.
func (c *shaper) parses(t Bits, end int) bool {
	for i := (min(end, len(t)) - 1) / 11 * 11; i >= 0; i -= 11 { // the last ones are the least likely
		if !c.known[t.number(i, 11)] {
			return false
		}
	}
	for offset := 1; offset <= 10; offset++ {
		most := 10
		switch {
		case offset == 1 || offset == 10:
			most = 2
		case c.n == 341:
			most = 6
		}
		if c.run(t, offset, end) > most {
			return false
		}
	}
	return true
}

// run gives the longest run of words of the code that are read at an offset to where they are, and begin before end.
func (c *shaper) run(t Bits, offset, end int) int {
	longest, n := 0, 0
	for i := offset; i < end; i += 11 {
		if n++; !c.known[t.number(i%len(t), 11)] {
			n = 0
		}
		longest = max(longest, n)
	}
	return longest
}

// aperiodic says whether a long telegram differs enough from itself a third further, or about there.
func aperiodic(t Bits) bool {
	for i := 0; i < len(t); i += 11 {
		for k := -3; k <= 3; k++ {
			distance := 0
			for j := range 22 {
				distance += int(t[(i+j)%len(t)] ^ t[(i+j+341+k)%len(t)])
			}
			if distance < 2 || k == 0 && distance < 3 {
				return false
			}
		}
	}
	return true
}

// undersampled says whether every second, fourth, eighth or sixteenth bit looks like a telegram too much.
func (c *shaper) undersampled(t Bits) bool {
	for step := 2; step <= 16; step *= 2 {
		every := make(Bits, c.n)
		for i := range every {
			every[i] = t[i*step%c.n]
		}
		for offset := range 11 {
			if c.run(every, offset, 2*c.n) > 30 {
				return true
			}
		}
	}
	return false
}

// polynomial takes the first bit as the highest coefficient.
func (b Bits) polynomial() *big.Int {
	p := new(big.Int)
	for i, bit := range b {
		p.SetBit(p, len(b)-1-i, uint(bit))
	}
	return p
}

func polynomial(exponents string) *big.Int {
	p := new(big.Int)
	for e := range strings.FieldsSeq(exponents) {
		i, err := strconv.Atoi(e)
		if err != nil {
			panic(err)
		}
		p.SetBit(p, i, 1)
	}
	return p
}

func product(a, b *big.Int) *big.Int {
	p := new(big.Int)
	for i := range a.BitLen() {
		if a.Bit(i) == 1 {
			p.Xor(p, new(big.Int).Lsh(b, uint(i)))
		}
	}
	return p
}

func modulo(a, m *big.Int) *big.Int {
	r := new(big.Int).Set(a)
	for r.BitLen() >= m.BitLen() {
		r.Xor(r, new(big.Int).Lsh(m, uint(r.BitLen()-m.BitLen())))
	}
	return r
}

// annexB2 gives the words of SUBSET-036 Annex B2 in ascending order: the lower half, and its complements.
func annexB2() []int {
	const lower = `
		101-135 141-176 201 206 211 214 216-220 222-226 231 233 244-246 253 257-261 272-276 301 303 315 317-321 332
		334 341-344 346 352-353 357-360 374 376 401 403-413 416-420 424-427 432-433 442-443 445 456-461 464-465
		470-472 474-476 501-507 516-525 530-535 544-563 571 573 576 601-602 604-605 610-630 634-635 644-663 666-667
		672 674-676 701 712-713 716-723 730-735 742-761 764-767 772-773 776 1001 1004-1005 1016-1025 1030-1035
		1043-1047 1054 1057-1062 1075-1076 1101-1103 1110 1114-1133 1142-1147 1151-1160 1164 1166-1167 1176 1201 1214
		1217-1233 1243-1245 1253-1261 1272-1276 1301-1303 1305-1307 1317-1321 1332 1334-1335 1342-1345 1350-1353
		1355-1361 1364-1365 1370-1374 1376 1401 1403 1406-1407 1414-1420 1424-1425 1431 1433-1435 1443 1445 1456-1460
		1462 1474-1476 1501-1505 1516-1520 1524 1532-1533 1544 1546 1550-1554 1557-1563 1566-1567 1576 1601 1603-1626
		1630-1633 1635 1643-1645 1650-1661 1672 1674-1676 1701 1720 1744-1775
	`
	var out []int
	for r := range strings.FieldsSeq(lower) {
		from, to, ok := strings.Cut(r, "-")
		if !ok {
			to = from
		}
		first, err := strconv.ParseInt(from, 8, 0)
		if err != nil {
			panic(err)
		}
		last, err := strconv.ParseInt(to, 8, 0)
		if err != nil {
			panic(err)
		}
		for w := first; w <= last; w++ {
			out = append(out, int(w))
		}
	}
	for _, w := range slices.Backward(slices.Clone(out)) {
		out = append(out, 1<<11-1-w)
	}
	return out
}
