package worker

import (
	goruntime "runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// keepHeap is what a worker keeps of its own heap between two files, used and free: small recordings need less, so
	// they never wait for their memory.
	keepHeap = 24 << 20
	// giveBackShare bounds what giving memory back costs: the worker has worked so many times as long since the last time.
	giveBackShare = 20
)

// heap gives back what large files took. Go does so by itself only while a process allocates, and a worker that waits
// for the next file does not: two of them would keep twice the limit of their heap for as long as nothing comes.
type heap struct {
	worked time.Duration // since memory was given back
	cost   time.Duration // of the last time
}

// after is called when a file is done and nobody waits for its end any more.
func (h *heap) after(work time.Duration) {
	h.worked += work
	if h.worked < giveBackShare*h.cost || heldHeap() <= keepHeap {
		return
	}
	begin := time.Now()
	goruntime.GC() // what lies in a sync.Pool outlives one collection
	debug.FreeOSMemory()
	h.worked, h.cost = 0, time.Since(begin)
}

// heldHeap is what the Go heap has of the system in bytes.
func heldHeap() uint64 {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	var sum uint64
	for _, m := range s {
		sum += m.Value.Uint64()
	}
	return sum
}
