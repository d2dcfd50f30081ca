package table

import (
	"encoding/binary"
	"math"
	"testing"
)

// TestKeysAgree: the keys of a whole vector are those of its values.
func TestKeysAgree(t *testing.T) {
	for _, typ := range allTypes {
		if typ.varlen() {
			continue
		}
		v := Vector{Data: make([]byte, 0, 64)}
		for _, x := range append(specials(typ), 1, 200, math.MinInt32) {
			v.Data = binary.LittleEndian.AppendUint64(v.Data, uint64(x))
		}
		keys := appendKeys(nil, typ, v.Data)
		for i, got := range keys {
			want, ok := orderKey(typ, v.Int(typ, i))
			if ok && got != want || !ok && fullWindow(typ).holds(got) {
				t.Errorf("%s %x: key %d, want %d %v", typ, v.Int(typ, i), got, want, ok)
			}
		}
		if len(keys) != len(v.Data)/typ.Width() {
			t.Errorf("%s: %d keys", typ, len(keys))
		}
	}
}
