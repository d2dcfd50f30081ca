package archive

import (
	"bytes"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// TestMost bounds what unpacking costs whatever the ratio allows.
func TestMost(t *testing.T) {
	for name, b := range map[string][]byte{
		"gzip": gzipped(strings.Repeat("x", 1000)), "zip": zipped(entry{"a", strings.Repeat("x", 600)}, entry{".hidden", strings.Repeat("x", 400)}),
	} {
		for most, code := range map[int64]errcode.Code{0: "", 1000: "", 999: errcode.OutputLimit} {
			lim := limits
			lim.Most = most
			res, err := Unpack(bytes.NewReader(b), int64(len(b)), lim, &collector{})
			if errcode.Of(err) != code && (err != nil || code != "") || code == "" && res.Cost != 1000 {
				t.Errorf("%s, most %d: %v, cost %d", name, most, err, res.Cost)
			}
		}
	}
}
