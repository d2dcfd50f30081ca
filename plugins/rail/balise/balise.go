// Package balise reads the user bits of balise telegrams after SUBSET-026 chapters 7 and 8: the header, the packets
// by the layouts of system versions 1.x and 2.x, and every variable with its value, unit and meaning.
//
// It is apart from the recorder's records because telegrams come from elsewhere too, and because its tables are
// generated. It allocates nothing per telegram, starts no goroutine, and no input makes it read more than the bits
// there are: each step of a layout takes bits or ends.
package balise

//go:generate go run ../gen

// UserBits is the length of a long telegram's user data, in bits.
const UserBits = 830

// UserBytes is UserBits in whole bytes; the last two bits are not used.
const UserBytes = 104

// endPacket marks the end of a telegram's packets.
const endPacket = 255

// words is how the user bits are kept: 64 to a word, the first bit highest, and zeros after the end, so that any 64
// bits can be read at any place. It is a power of two: see mostVars.
const words = 16

// load fills the words with the first n bits of user data, and gives how many that are.
func load(to *[words]uint64, user []byte, n int) int {
	n = min(n, len(user)*8, UserBits)
	*to = [words]uint64{}
	pack(to, user[:(n+7)/8])
	if n%64 != 0 {
		to[n/64] &= ^uint64(0) << (64 - n%64)
	}
	return n
}

// pack is load's loop; like run it calls nothing and needs no bounds check.
func pack(to *[words]uint64, user []byte) {
	for i, b := range user {
		to[i>>3&(words-1)] |= uint64(b) << (56 - i&7*8)
	}
}

// bitsAt gives w bits, 1 to 64, of the words from a place before their end.
func bitsAt(from *[words]uint64, at, w int) uint64 {
	i, off := at>>6, uint(at&63)
	v := from[i&(words-1)]<<off | from[(i+1)&(words-1)]>>1>>(63-off)
	return v >> (64 - uint(w))
}

// Header is the first 50 bits of a telegram.
type Header struct {
	UpDown  uint8  // Q_UPDOWN
	Version uint8  // M_VERSION
	Media   uint8  // Q_MEDIA
	Pig     uint8  // N_PIG
	Total   uint8  // N_TOTAL
	Dup     uint8  // M_DUP
	MCount  uint8  // M_MCOUNT
	Country uint16 // NID_C
	Group   uint16 // NID_BG
	Link    uint8  // Q_LINK
}

// headerBits is the length of a Header.
const headerBits = 50

// Supported says whether the packets of the telegram's version are known.
func (h *Header) Supported() bool { m := h.Version >> 4; return m == 1 || m == 2 }

// Status says what is wrong with a packet.
type Status uint8

// Statuses of a packet.
const (
	OK       Status = iota
	Mismatch        // L_PACKET is not what the packet's content takes
	Unknown         // no layout: skipped by L_PACKET
)

// Packet is a packet of a telegram. Index 0 of a name is none.
type Packet struct {
	NID    uint8
	Title  uint8 // index of Titles
	Status Status
	Start  int    // bit at which it begins
	Taken  int    // bits that its content took
	Dir    uint8  // Q_DIR
	Length uint16 // L_PACKET
	Short  bool   // has neither Q_DIR nor L_PACKET (packet 0)
	Count  int    // variables, see Reader.Variables
}

// Variable is a variable of a packet.
type Variable struct {
	Raw     uint64
	Value   float64
	Name    uint16 // index of VariableNames
	Unit    uint16 // index of Units
	Meaning uint16 // index of Meanings
	Valued  bool   // Value is a number; false for special values without one
}

// Titles gives the names of packets by index.
func Titles() []string { return packetNames[:] }

// VariableNames gives the names of variables by index.
func VariableNames() []string { return variableNames[:] }

// Units gives the units by index.
func Units() []string { return unitNames[:] }

// Meanings gives the meanings of values by index.
func Meanings() []string { return meaningNames[:] }
