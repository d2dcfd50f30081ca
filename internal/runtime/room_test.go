package runtime

import (
	"os"
	"path/filepath"
	"testing"
)

func TestRoomOnTheMachine(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal: 10 kB\nMemAvailable:   2048 kB\n": 2 << 20, "MemTotal: 10 kB\n": -1, "MemAvailable: much\n": -1, "": -1,
	} {
		got, ok := availableIn([]byte(text))
		if !ok {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if b, err := os.ReadFile(meminfo); err == nil {
		if n, ok := availableIn(b); !ok || n <= 0 {
			t.Errorf("of this machine: %d", n)
		}
		if roomForTwo(1 << 30) {
			t.Error("there is room for 2 PiB")
		}
	}
}

func TestRoomInControlGroups(t *testing.T) {
	root := t.TempDir()
	write := func(group, name, text string) {
		t.Helper()
		dir := filepath.Join(root, group)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a/b", "memory.max", "max\n")
	write("a/b", "memory.high", "900\n")
	write("a/b", "memory.current", "100\n")
	write("a", "memory.max", "1000\n")
	write("a", "memory.current", "500\n")
	for _, c := range []struct {
		own  string
		need int64
		want bool
	}{
		{"0::/a/b\n", 500, true},
		{"0::/a/b\n", 501, false},
		{"0::/a/b/deeper\n", 501, false},
		{"0::/\n", 1 << 40, true},
		{"1:cpu:/\n0::/a\n", 501, false},
		{"1:memory:/a\n", 1 << 40, true},
		{"0::/../../a\n", 501, false},
		{"", 1, true},
	} {
		if got := cgroupHasRoom(root, []byte(c.own), c.need); got != c.want {
			t.Errorf("%q, %d bytes: %v", c.own, c.need, got)
		}
	}
	write("a", "memory.current", "0\n")
	if cgroupHasRoom(root, []byte("0::/a/b\n"), 801) {
		t.Error("memory.high does not count")
	}
}
