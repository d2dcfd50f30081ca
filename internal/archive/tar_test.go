package archive

import (
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// TestTarCutAnywhere: also one that ends between two of its files, or behind the last one, was cut off.
func TestTarCutAnywhere(t *testing.T) {
	whole := tarred(entry{"a", noise(700)}, entry{"b", strings.Repeat("\x00", 1024)}, entry{"c", "x"})
	end := len(whole) - 1024 // the two blocks of zeros
	for n := 512; n < end+512; n++ {
		if got, res, err := unpack(whole[:n]); err != nil || len(res.Damage) != 1 || res.Damage[0].Code != errcode.Truncated || res.Damage[0].Ignored {
			t.Fatalf("cut to %d of %d bytes: %d entries, %+v %v", n, len(whole), len(got), res, err)
		}
	}
	for _, n := range []int{end + 512, len(whole)} { // one block is what some writers leave it at
		if got, res, err := unpack(whole[:n]); err != nil || len(got) != 3 || len(res.Damage) > 0 {
			t.Errorf("cut to %d of %d bytes: %d entries, %+v %v", n, len(whole), len(got), res, err)
		}
	}
}
