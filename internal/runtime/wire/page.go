package wire

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

const pageBytes = 4096

// Phase is what a worker is doing, as far as the stall clock is concerned.
type Phase uint64

// Phases.
const (
	PhaseIdle  Phase = iota
	PhaseGuest       // the guest runs: the stall clock ticks
	PhaseHost        // the worker waits for its own output: only the deadline counts
)

// counters is the layout of the page. The worker writes, the serving process reads; each field is read by itself,
// and none is trusted for more than progress, the stall clock and the number of steps to ask for again.
type counters struct {
	activity atomic.Uint64 // moves with every read of more than 0 bytes, every accepted batch and write to a sub-file
	read     atomic.Int64
	rows     atomic.Int64
	steps    atomic.Uint64 // accepted batches and completed sub-files of this decode
	phase    atomic.Uint64
}

// Page is a page of memory that a worker and the serving process share: how far a decode has come, without a message
// for every step, and exact at the moment of a kill.
type Page struct {
	mem []byte
	c   *counters
}

// NewPage makes a page and the file to hand to the worker.
func NewPage() (*Page, *os.File, error) {
	f, err := MemFile("wayside-page", make([]byte, pageBytes))
	if err != nil {
		return nil, nil, err
	}
	// A page that cannot shrink cannot fault in the serving process.
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW); err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("seal page: %w", err)
	}
	p, err := MapPage(int(f.Fd()))
	if err != nil {
		_ = f.Close()
		return nil, nil, err
	}
	return p, f, nil
}

// MapPage maps the page behind a descriptor.
func MapPage(fd int) (*Page, error) {
	mem, err := unix.Mmap(fd, 0, pageBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("map page: %w", err)
	}
	return &Page{mem: mem, c: (*counters)(unsafe.Pointer(&mem[0]))}, nil //nolint:gosec // aligned, larger than counters
}

// Close unmaps the page; it may not be used any more.
func (p *Page) Close() error {
	if err := unix.Munmap(p.mem); err != nil {
		return fmt.Errorf("unmap page: %w", err)
	}
	return nil
}

// Begin resets the page for a new decode.
func (p *Page) Begin() {
	p.c.read.Store(0)
	p.c.rows.Store(0)
	p.c.steps.Store(0)
	p.c.activity.Add(1)
	p.SetPhase(PhaseGuest)
}

// SetPhase says what the worker does now.
func (p *Page) SetPhase(ph Phase) { p.c.phase.Store(uint64(ph)) }

// Read notes how far the input has been read, and that it moved on.
func (p *Page) Read(total int64) {
	p.c.read.Store(total)
	p.c.activity.Add(1)
}

// Accepted notes an accepted batch and the rows so far.
func (p *Page) Accepted(rows int64) {
	p.c.rows.Store(rows)
	p.c.steps.Add(1)
	p.c.activity.Add(1)
}

// Wrote notes that bytes of a sub-file were accepted.
func (p *Page) Wrote() { p.c.activity.Add(1) }

// Completed notes that a sub-file is complete.
func (p *Page) Completed() {
	p.c.steps.Add(1)
	p.c.activity.Add(1)
}

// Steps is the number of accepted batches and completed sub-files: what a decode that is run once more must have done,
// in the same order, to have come as far.
func (p *Page) Steps() uint64 { return p.c.steps.Load() }

// State is a reading of the page.
type State struct {
	Activity uint64
	Read     int64
	Rows     int64
	Steps    uint64
	Phase    Phase
}

// State reads the page.
func (p *Page) State() State {
	return State{
		Activity: p.c.activity.Load(), Read: max(p.c.read.Load(), 0), Rows: max(p.c.rows.Load(), 0),
		Steps: p.c.steps.Load(), Phase: Phase(p.c.phase.Load()),
	}
}
