package local

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"sync"
)

// slotSize is the size of a slot: job number, attempt, checksum. A slot of zeros is free.
const slotSize = 16

// slots is the file that says which jobs run, one slot each. It is written through the page cache and never flushed:
// it is to survive the death of the process, not of the machine. Without a file it does nothing.
type slots struct {
	log *slog.Logger
	f   *os.File

	mu    sync.Mutex // guards idle, count and broken
	idle  []int
	count int
	mute  bool // a failed write was logged
}

// running is what a slot says.
type running struct {
	n       uint64
	attempt int
}

// openSlots opens the file and gives what ran when it was last written.
func openSlots(path string, log *slog.Logger) (*slots, []running, error) {
	s := &slots{log: log}
	if path == "" {
		return s, nil, nil
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("open slot file: %w", err)
	}
	raw, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("read slot file: %w", err)
	}
	s.f = f
	return s, parseSlots(raw), nil
}

func parseSlots(raw []byte) []running {
	var out []running
	for ; len(raw) >= slotSize; raw = raw[slotSize:] {
		n := binary.BigEndian.Uint64(raw)
		if n == 0 || binary.BigEndian.Uint32(raw[12:]) != crc32.ChecksumIEEE(raw[:12]) {
			continue
		}
		out = append(out, running{n: n, attempt: int(binary.BigEndian.Uint32(raw[8:]))})
	}
	return out
}

// reset forgets all that ran.
func (s *slots) reset() error {
	if s.f == nil {
		return nil
	}
	if err := s.f.Truncate(0); err != nil {
		return fmt.Errorf("reset slot file: %w", err)
	}
	return nil
}

// put notes that a job runs and gives its slot.
func (s *slots) put(n uint64, attempt int) int {
	if s.f == nil {
		return -1
	}
	s.mu.Lock()
	i := s.count
	if last := len(s.idle) - 1; last >= 0 {
		i, s.idle = s.idle[last], s.idle[:last]
	} else {
		s.count++
	}
	s.mu.Unlock()
	var b [slotSize]byte
	binary.BigEndian.PutUint64(b[:], n)
	binary.BigEndian.PutUint32(b[8:], uint32(attempt))
	binary.BigEndian.PutUint32(b[12:], crc32.ChecksumIEEE(b[:12]))
	s.write(i, b)
	return i
}

// clear notes that the job of slot i runs no more.
func (s *slots) clear(i int) {
	if i >= 0 && s.f != nil {
		s.write(i, [slotSize]byte{})
	}
}

// free lets another job have slot i. It clears it, unless its job is completed: then its record says of any slot that
// it is of before.
func (s *slots) free(i int, completed bool) {
	if i < 0 {
		return
	}
	if !completed {
		s.clear(i)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, i)
}

// write costs the counting of a crash if it fails, nothing else.
func (s *slots) write(i int, b [slotSize]byte) {
	_, err := s.f.WriteAt(b[:], int64(i)*slotSize)
	if err == nil {
		return
	}
	s.mu.Lock()
	first := !s.mute
	s.mute = true
	s.mu.Unlock()
	if first {
		s.log.Warn("running jobs cannot be noted, crashes are not counted", "error", err)
	}
}

func (s *slots) close() error {
	if s.f == nil {
		return nil
	}
	if err := s.f.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
