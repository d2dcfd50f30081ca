package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// witness remembers the number of the last durable transaction outside of Badger. Badger drops silently whatever lies
// behind a damaged place of its log; a database that comes back with a smaller number than the witness knows has
// lost acknowledged work. The file is written without a flush: it survives a kill, and after a power cut it is
// at most behind, which raises no false alarm.
type witness struct {
	f   *os.File
	buf [witnessSize]byte
}

const (
	witnessMagic = "WWIT"
	witnessSize  = 16 // magic, number, CRC32C of both
)

// openWitness opens or makes the file and gives the number in it, 0 if it holds none.
func openWitness(path string) (*witness, uint64, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", path, err)
	}
	w := &witness{f: f}
	n, err := f.ReadAt(w.buf[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, 0, errors.Join(fmt.Errorf("read %s: %w", path, err), f.Close())
	}
	if n < witnessSize || string(w.buf[:4]) != witnessMagic ||
		binary.BigEndian.Uint32(w.buf[12:]) != crc32.Checksum(w.buf[:12], castagnoli) {
		return w, 0, nil
	}
	return w, binary.BigEndian.Uint64(w.buf[4:]), nil
}

func (w *witness) set(number uint64) error {
	copy(w.buf[:], witnessMagic)
	binary.BigEndian.PutUint64(w.buf[4:], number)
	binary.BigEndian.PutUint32(w.buf[12:], crc32.Checksum(w.buf[:12], castagnoli))
	if _, err := w.f.WriteAt(w.buf[:], 0); err != nil {
		return fmt.Errorf("write commit witness: %w", err)
	}
	return nil
}

func (w *witness) close() error {
	if err := w.f.Close(); err != nil {
		return fmt.Errorf("close commit witness: %w", err)
	}
	return nil
}
