package eurobalise

// Scrambler: the register's taps, and what makes its first state of the scrambling bits.
const (
	scramblerTaps = 0xEA000001
	scramblerSeed = 2801775573
)

// block is what ten bits, as they were sent, do in the scrambler: the register is fed with them, so they alone say
// what it becomes, and what it gives out is a sum of their part and the part of the state before.
type block struct {
	state uint32 // what the register becomes when it held zero
	out   uint16 // the block without scrambling when the register held zero
}

func fillBlocks(blocks *[1 << blockBits]block) {
	for sent := range blocks {
		b := &blocks[sent]
		for i := blockBits - 1; i >= 0; i-- {
			bit := uint32(sent>>i) & 1
			b.out = b.out<<1 | uint16(b.state>>31^bit)
			b.state = b.state<<1 ^ scramblerTaps&-bit
		}
	}
}
