package store

import "testing"

// TestLeastReserve says that a log and a table always find room, however small a reserve was asked for.
func TestLeastReserve(t *testing.T) {
	for _, tc := range []struct{ reserve, want, floor int64 }{
		{1 << 20, 12 << 20, 12 << 20},
		{24 << 20, 24 << 20, 12 << 20},
		{256 << 20, 256 << 20, 16 << 20},
		{0, DefaultReserve, 16 << 20},
	} {
		cfg := Config{Dir: t.TempDir(), Reserve: tc.reserve, MemTableSize: 4 << 20}.withDefaults()
		if g := newGuard(cfg); g.reserve != tc.want || g.floor != tc.floor {
			t.Errorf("reserve %d: %d kept, the last %d for the database; want %d and %d", tc.reserve, g.reserve, g.floor, tc.want, tc.floor)
		}
	}
}
