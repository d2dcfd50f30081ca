package history

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// The file is magic, a CRC of what follows, and that: a deflated stream of the last minute, the number of series and, of each, its
// kind, subject, limit, last minute, and minutes from the oldest on. Numbers are little-endian.
const (
	magic   = "WSHIST1\n"
	maxFile = 4 << 20 // more than MaxSeries take when nothing can be compressed
)

var errFile = errors.New("history: the file is damaged")

// load reads the file, if there is one that can be read.
func (h *History) load() {
	if h.cfg.Path == "" {
		return
	}
	data, err := readFile(h.cfg.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err == nil {
		err = h.decode(data)
	}
	if err != nil {
		h.all, h.minute = map[key]*series{}, 0
		h.cfg.Logger.Warn("readings of the last day not read: they begin anew", "error", err)
		return
	}
	// What lies ahead was read while the clock was ahead; what is a day old is over.
	h.turn(max(h.minute, h.now()))
	if now := h.now(); now < h.minute {
		h.turn(now)
	}
}

func (h *History) now() int64 { return h.cfg.Now().Unix() / int64(Step/time.Second) }

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open readings: %w", err)
	}
	defer func() { _ = f.Close() }() // was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read readings: %w", err)
	}
	if len(data) > maxFile {
		return nil, errFile
	}
	return data, nil
}

// save writes the file. That it cannot be written costs history only.
func (h *History) save(ctx context.Context) {
	if h.cfg.Path == "" {
		return
	}
	data, err := h.encode()
	if err == nil {
		err = disk.WriteFile(h.cfg.FS, h.cfg.Path, data, 0o600)
	}
	if err != nil {
		h.cfg.Logger.WarnContext(ctx, "readings of the last day not written", "error", err)
	}
}

func (h *History) encode() ([]byte, error) {
	raw := h.raw()
	out := bytes.NewBuffer(append([]byte(magic), 0, 0, 0, 0))
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err == nil {
		_, err = w.Write(raw)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("compress readings: %w", err)
	}
	data := out.Bytes()
	binary.LittleEndian.PutUint32(data[len(magic):], crc32.ChecksumIEEE(data[len(magic)+4:]))
	return data, nil
}

func (h *History) raw() []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := binary.LittleEndian.AppendUint64(nil, uint64(h.minute))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(h.all)))
	for k, s := range h.all {
		b = appendText(appendText(b, k.kind), k.subject)
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(s.limit))
		b = binary.LittleEndian.AppendUint64(b, uint64(s.last))
		for m := h.minute - Minutes + 1; m <= h.minute; m++ {
			c := s.cells[slot(m)]
			for _, v := range []float32{c.min, c.max, c.mean} {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
		}
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
}

// decode takes what encode wrote. On an error what it took is not to be used.
func (h *History) decode(data []byte) error {
	if len(data) < len(magic)+4 || string(data[:len(magic)]) != magic ||
		binary.LittleEndian.Uint32(data[len(magic):]) != crc32.ChecksumIEEE(data[len(magic)+4:]) {
		return errFile
	}
	raw, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data[len(magic)+4:])), maxFile))
	if err != nil {
		return fmt.Errorf("decompress readings: %w", err)
	}
	r := reader{raw: raw}
	h.minute = int64(r.uint64())
	n := r.uint32()
	if h.minute < 0 || h.minute > math.MaxInt32 || n > MaxSeries {
		return errFile
	}
	for range n {
		k := key{r.text(), r.text()}
		s := newSeries()
		s.limit, s.last = math.Float64frombits(r.uint64()), int64(r.uint64())
		for m := h.minute - Minutes + 1; m <= h.minute; m++ {
			s.cells[slot(m)] = cell{min: r.float(), max: r.float(), mean: r.float()}
		}
		if r.bad || s.last > h.minute || s.limit-s.limit != 0 || h.all[k] != nil {
			return errFile
		}
		if _, known := h.kind(k.kind); known && len(k.subject) <= maxSubject { // another version may read other kinds
			h.all[k] = s
		}
	}
	if len(r.raw) > 0 {
		return errFile
	}
	return nil
}

// reader takes values off raw; bad is set, and all of them are zero, once it is too short.
type reader struct {
	raw []byte
	bad bool
}

func (r *reader) take(n int) []byte {
	if len(r.raw) < n {
		r.bad, r.raw = true, nil
		return make([]byte, n)
	}
	b := r.raw[:n]
	r.raw = r.raw[n:]
	return b
}

func (r *reader) uint64() uint64 { return binary.LittleEndian.Uint64(r.take(8)) }
func (r *reader) uint32() uint32 { return binary.LittleEndian.Uint32(r.take(4)) }
func (r *reader) text() string   { return string(r.take(int(binary.LittleEndian.Uint16(r.take(2))))) }

// float gives a value of a minute; infinities are none.
func (r *reader) float() float32 {
	v := math.Float32frombits(r.uint32())
	if math.IsInf(float64(v), 0) {
		return float32(math.NaN())
	}
	return v
}
