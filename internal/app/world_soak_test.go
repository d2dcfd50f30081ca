//go:build soak

package app

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/store"
)

func TestWorldIsAsTheEnvironmentSays(t *testing.T) {
	t.Setenv(delayVariable, "3ms-5ms")
	path := filepath.Join(t.TempDir(), "clock")
	t.Setenv(clockVariable, path)
	w, err := openWorld()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := w.hook(store.BeforeSync); err != nil || time.Since(began) < 3*time.Millisecond {
		t.Errorf("a flush took %v: %v", time.Since(began), err)
	}
	began = time.Now()
	if err := disk.WriteFile(w.fs, filepath.Join(t.TempDir(), "f"), []byte("x"), 0o600); err != nil || time.Since(began) < 12*time.Millisecond {
		t.Errorf("write, flush, rename and flush of the folder took %v: %v", time.Since(began), err)
	}
	for text, want := range map[string]time.Duration{"-720h\n": -720 * time.Hour, "1h": time.Hour, "nonsense": 0} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := time.Until(w.clock.Wall()); got < want-time.Minute || got > want+time.Minute {
			t.Errorf("%q: the clock is %v ahead", text, got)
		}
	}
	for _, text := range []string{"5ms", "9ms-5ms", "-5ms", "a-b"} {
		t.Setenv(delayVariable, text)
		if _, err := openWorld(); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
