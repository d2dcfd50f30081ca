package worker

import (
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// TestSniffSeesHeadAndTail: a guest that sniffs may read the first 64 KiB and, with seek, the last 4 KiB, nothing between.
func TestSniffSeesHeadAndTail(t *testing.T) {
	const size = 100 << 10
	text := strings.Repeat("h", abi.SniffHead) + strings.Repeat("-", size-abi.SniffHead-abi.SniffTail) + strings.Repeat("t", abi.SniffTail)
	for _, seek := range []bool{true, false} {
		c := newPartsCall(t, newPage(t), seek, text)
		c.mode = modeSniff
		for _, tc := range []struct{ off, n, want int }{
			{0, 10, 10},
			{abi.SniffHead - 3, 10, 3},
			{abi.SniffHead, 10, 0},
			{size - abi.SniffTail - 1, 10, 0},
			{size - abi.SniffTail, 10, 10},
			{size - 3, 10, 3},
			{size, 10, 0},
			{-1, 10, int(abi.Refused)},
		} {
			want := tc.want
			if !seek {
				want = int(abi.Refused)
			}
			if got := c.i32(hostReadAt, uint64(int64(tc.off)), 0, uint64(tc.n)); got != want {
				t.Errorf("seek %v: read_at %d gives %d, want %d", seek, tc.off, got, want)
			}
		}
		if got := c.ask(hostSize); seek && got != size || !seek && got != int64(abi.Refused) {
			t.Errorf("seek %v: size %d", seek, got)
		}
		_ = c.in.file.Close()
	}
}
