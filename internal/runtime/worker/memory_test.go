package worker

import (
	"testing"
	"time"
)

// TestMemoryIsGivenBack allocates what a large file takes, and lets go of it.
func TestMemoryIsGivenBack(t *testing.T) {
	var h heap
	const large = 256 << 20
	take := func() uint64 {
		b := make([]byte, large)
		for i := 0; i < len(b); i += 4 << 10 {
			b[i] = 1
		}
		return heldHeap()
	}
	full := take()
	h.after(time.Second)
	if held := heldHeap(); held > full-large/2 {
		t.Errorf("%d MiB of %d are held", held>>20, full>>20)
	}
	if h.worked != 0 || h.cost <= 0 {
		t.Errorf("counted: %+v", h)
	}
	// It is not worth it after a moment's work; when enough has come together it is.
	full = take()
	h.cost = time.Minute
	for range giveBackShare - 1 {
		h.after(time.Minute)
	}
	if held := heldHeap(); held < full/2 || h.worked != (giveBackShare-1)*time.Minute {
		t.Errorf("given back too early: %d MiB of %d, %+v", held>>20, full>>20, h)
	}
	h.after(time.Minute)
	if held := heldHeap(); held > full-large/2 || h.worked != 0 {
		t.Errorf("%d MiB of %d are held, %+v", held>>20, full>>20, h)
	}
}
