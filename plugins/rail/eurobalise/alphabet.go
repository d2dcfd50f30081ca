package eurobalise

// alphabet is the lower half of the words of SUBSET-036 Annex B2, as a set: word w is bit w%64 of element w/64. The
// annex gives the words by search, not by a rule; a set of bits is their shortest form. The upper half are the
// complements of the lower, which is why an inverted telegram has only words of the code too.
var alphabet = [16]uint64{
	0x0000000000000000, 0x7ffffffe3ffffffe, 0x7c0388700a7dd242, 0x50018c5e1403a00a,
	0x7733c02c0cf1cffa, 0x4a0ffff03f3fc0fe, 0x74cffff031ffff36, 0x4cf3fffc3f0fcc02,
	0x600790f83f3fc032, 0x40d1fefc0ffff10e, 0x7c03f8380fff9002, 0x5f33ef3c340380ee,
	0x7005c0283a31f0ca, 0x40cf9f500c11c03e, 0x7403ff382f7ffffa, 0x3ffffff000010002,
}

// noValue marks 11 bits that are no word of the code.
const noValue = 1 << blockBits

// fillValues numbers the words of the code in ascending order.
func fillValues(values *[1 << wordBits]uint16) {
	next := uint16(0)
	for w := range values {
		values[w] = noValue
		if isWord(w) {
			values[w] = next
			next++
		}
	}
}

// isWord looks a word up in alphabet, which holds the lower half: the complement of a word is a word.
func isWord(w int) bool {
	if w >= 1<<(wordBits-1) {
		w ^= 1<<wordBits - 1
	}
	return alphabet[w/64]>>(w%64)&1 != 0
}
