package trackgen

import "math/rand/v2"

// Damage gives a copy of an input with one to eight random damages: bits that flipped, bytes that were overwritten, put
// in, left out or doubled, and an end that is missing. Some are aimed at the places where lengths and marks lie.
func Damage(input []byte, seed uint64) []byte {
	rng := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // the same for the same seed
	b := append([]byte(nil), input...)
	for range 1 + rng.IntN(8) {
		if len(b) == 0 {
			return b
		}
		at := rng.IntN(len(b))
		n := min(1+rng.IntN(40), len(b)-at)
		switch rng.IntN(8) {
		case 0:
			b[at] ^= 1 << rng.IntN(8)
		case 1:
			for i := range n {
				b[at+i] = byte(rng.Uint32())
			}
		case 2:
			b = append(b[:at], b[at+n:]...)
		case 3:
			b = append(b[:at+n], append(append([]byte(nil), b[at:at+n]...), b[at+n:]...)...)
		case 4: // a false mark
			b = append(b[:at], append([]byte{0x5A, 0xA5, byte(rng.IntN(4)), byte(rng.Uint32())}, b[at:]...)...)
		case 5: // the length of a record
			if i := mark(b, at); i >= 0 {
				b[i+3] = byte(rng.Uint32())
			}
		case 6: // its type, checksum mended, so that wrong layouts pass for whole records
			if i := mark(b, at); i >= 0 {
				retype(b[i:], byte(rng.IntN(4)))
			}
		case 7:
			if rng.IntN(3) == 0 {
				b = b[:at]
			}
		}
	}
	return b
}

// mark finds the next mark of a record, -1 = there is none.
func mark(b []byte, at int) int {
	for ; at+4 <= len(b); at++ {
		if b[at] == 0x5A && b[at+1] == 0xA5 {
			return at
		}
	}
	return -1
}

// retype changes the type of a whole record.
func retype(r []byte, typ byte) {
	n := int(r[3])
	if n < 14 || n > len(r) {
		return
	}
	r[2] = typ
	c := crc16(r[:n-2])
	r[n-2], r[n-1] = byte(c), byte(c>>8)
}
