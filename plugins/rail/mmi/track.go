package mmi

import "encoding/binary"

// Kinds of a track description's elements.
const (
	KindSpeed     = iota // a change of the most restrictive speed
	KindGradient         // a change of the gradient
	KindCondition        // a track condition
)

// Bytes of an element of each kind.
const (
	speedBytes     = 6
	gradientBytes  = 6
	conditionBytes = 9
)

// Track is packet 4: what lies ahead, as three lists, after the values at the train.
type Track struct {
	Speed    Speed // V_MRSP_CURR
	Gradient int16 // G_GRADIENT_CURR, per mille

	b      []byte
	counts [3]int
	starts [3]int
}

// Element is an entry of one of the lists. What is not of its kind is zero.
type Element struct {
	Kind      int
	At        Position
	Speed     Speed
	Gradient  int16 // per mille
	Condition uint8
	Length    uint32 // of a condition, as recorded
}

// ReadTrack reads packet 4. The elements stay in b.
func ReadTrack(b []byte) (Track, bool) {
	const first = HeaderBytes + wordBytes // after the speed at the train
	if len(b) < first+1 {
		return Track{}, false
	}
	t := Track{Speed: speedAt(b, HeaderBytes), b: b}
	at := first
	for kind, size := range [...]int{speedBytes, gradientBytes, conditionBytes} {
		if kind == KindGradient {
			if at+wordBytes > len(b) {
				return Track{}, false
			}
			t.Gradient = signed(b, at)
			at += wordBytes
		}
		if at >= len(b) {
			return Track{}, false
		}
		n := int(b[at])
		at++
		t.counts[kind], t.starts[kind] = n, at
		if at += n * size; at > len(b) {
			return Track{}, false
		}
	}
	return t, at == len(b)
}

// Count gives the number of elements of a kind.
func (t *Track) Count(kind int) int { return t.counts[kind] }

// Element gives element i of a kind.
func (t *Track) Element(kind, i int) Element {
	b := t.b[t.starts[kind]:]
	switch kind {
	case KindSpeed:
		b = b[i*speedBytes:]
		return Element{Kind: kind, Speed: speedAt(b, 0), At: positionAt(b, wordBytes)}
	case KindGradient:
		b = b[i*gradientBytes:]
		return Element{Kind: kind, Gradient: signed(b, 0), At: positionAt(b, wordBytes)}
	default:
		b = b[i*conditionBytes:]
		return Element{
			Kind: kind, At: positionAt(b, 0), Condition: b[longBytes], Length: binary.BigEndian.Uint32(b[longBytes+1:]),
		}
	}
}
