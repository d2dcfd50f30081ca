package telegramlist_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestShortUserBitsWithoutFilling reads 210 bits as tools write them that fill to a digit, not to a byte.
func TestShortUserBitsWithoutFilling(t *testing.T) {
	b := telegram(27)
	b[26] &= 0xf0
	digits := hex.EncodeToString(b)
	got := read(t, strings.NewReader(digits[:53]+"\n"))
	if diff := cmp.Diff([]result{{0, "user short", digits}}, got); diff != "" {
		t.Error(diff)
	}
}
