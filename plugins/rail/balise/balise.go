// Package balise reads the user bits of balise telegrams after SUBSET-026 chapters 7 and 8: the header, the packets
// by the layouts of system versions 1.x and 2.x, and every variable with its value, unit and meaning.
//
// It is apart from the recorder's records because telegrams come from elsewhere too, and because its tables are
// generated. It allocates nothing per telegram, starts no goroutine, and no input makes it read more than the bits
// there are: each step of a layout takes bits or ends.
package balise

import "encoding/binary"

//go:generate go run ../gen

// UserBits is the length of a long telegram's user data, in bits.
const UserBits = 830

// UserBytes is UserBits in whole bytes; the last two bits are not used.
const UserBytes = 104

// endPacket marks the end of a telegram's packets.
const endPacket = 255

// Bits reads up to 64 bits at a time from a telegram. Reading past the end gives zeros; see Left.
type Bits struct {
	b   [UserBytes + 16]byte // zeros after the end, so that reading needs no check
	n   int
	pos int
}

// Reset takes the first n bits of user data, at most UserBits.
func (r *Bits) Reset(user []byte, n int) {
	n = min(n, len(user)*8, UserBits)
	k := copy(r.b[:UserBytes], user[:(n+7)/8])
	clear(r.b[k:])
	if n%8 != 0 {
		r.b[k-1] &= 0xff << (8 - n%8)
	}
	r.n, r.pos = n, 0
}

// Left gives the number of bits not yet read.
func (r *Bits) Left() int { return r.n - r.pos }

// take reads w bits, 1 to 64; the caller has compared w with Left.
func (r *Bits) take(w int) uint64 {
	at, off := r.pos>>3, r.pos&7
	r.pos += w
	v := binary.BigEndian.Uint64(r.b[at:]) << off
	if off+w > 64 {
		v |= uint64(r.b[at+8]) >> (8 - off)
	}
	return v >> (64 - w)
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
	Vars   []Variable
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
