package runtime

import (
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// TestUnpackKeepsToItsRoom: a worker that would fill the disk stops by itself, before the first byte too many, and is
// there for the next file.
func TestUnpackKeepsToItsRoom(t *testing.T) {
	r := newRig(t, nil, nil)
	text := strings.Repeat("0123456789", 100_000)
	for name, tc := range map[string]struct {
		packed []byte
		room   int64
		heads  int64
		full   bool
	}{
		"stream that fits":     {gzipped(text), int64(len(text)), 0, false},
		"stream":               {gzipped(text), int64(len(text)) - 1, 0, true},
		"archive that fits":    {zipped("a", text, "b", text), 2 * int64(len(text)), 0, false},
		"archive":              {zipped("a", text, "b", text), 2*int64(len(text)) - 1, 0, true},
		"heads of an archive":  {zipped("a", text, "b", text), 200, 100, false},
		"hardly any room left": {gzipped(text), 1, 0, true},
	} {
		out := tempFile(t, nil)
		u, err := r.pool.Unpack(t.Context(), UnpackRequest{
			Input: tempFile(t, tc.packed), Size: int64(len(tc.packed)), Output: out, Heads: tc.heads, Room: tc.room,
		})
		if tc.full != errcode.Is(err, errcode.DiskFull) || !tc.full && err != nil {
			t.Errorf("%s: %+v %v", name, u, err)
		}
		if st, err := out.Stat(); err != nil || st.Size() > tc.room {
			t.Errorf("%s: %v in the output, %v", name, st.Size(), err)
		}
	}
	if st := r.pool.Stats(); len(st.Workers) != 1 {
		t.Errorf("%d workers", len(st.Workers))
	}
	b := zipped("a", text, ".hidden", text)
	if u, _ := r.unpack(b, 100); u.Cost != 2*int64(len(text)) {
		t.Errorf("cost %d", u.Cost)
	}
	u, err := r.pool.Unpack(t.Context(), UnpackRequest{Input: tempFile(t, b), Size: int64(len(b)), Output: tempFile(t, nil), Most: 1_500_000})
	if err != nil || u.Refused == nil || u.Refused.Code != errcode.OutputLimit || u.Wrapped != "zip" || u.Cost < 1_500_000 {
		t.Errorf("more than it may cost: %+v %v", u, err)
	}
}
