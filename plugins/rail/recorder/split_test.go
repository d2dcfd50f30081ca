package recorder

import "testing"

// TestSplitInABatchThatHasBegun says that telegram parts and display packets 1 are split off also where there is less
// room in the batch than lanes has for bodies: nothing else would show it but the time that a decode takes.
func TestSplitInABatchThatHasBegun(t *testing.T) {
	var l lanes
	l.fit(64)
	w := append([]byte{1, 0, 240}, make([]byte, 61)...)
	l.types = []uint8{typeMMI1, typePart1, typeMarker, typePart5, typeMMI2}
	for i := range l.types {
		l.ends[i] = 30
	}
	copy(l.looked, []uint32{0, 1, 2, 3, 4})
	l.lookedCount = 5
	l.split(w)
	if l.dynamicCount != 2 || l.partCount != 2 || l.lookedCount != 1 || l.looked[0] != 2 || l.parts[1] != 3 || l.dynamic[1] != 4 {
		t.Errorf("%d packets 1, %d parts, %d others", l.dynamicCount, l.partCount, l.lookedCount)
	}
}
