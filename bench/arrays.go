package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// A log of track samples, see sdk/examples/README.md.
const (
	logHeader   = 32
	sampleBytes = 30 // at least
	arrayRows   = 8192
	arrayText   = 256 // a row
	arrayBuffer = 1 << 20
)

// arrays is a decoder of samples as one is written by hand for one program: floats in arrays made beforehand, no
// schema, no nulls, no issues. It is what the design's ratios of guests to native code were measured against; the
// example decoder of the SDKs, compiled natively, is quicker and does more.
type arrays struct {
	crc          [256]uint16
	n            int
	time         [arrayRows]int64
	speed        [arrayRows]float64
	position     [arrayRows]float64
	acceleration [arrayRows]float32
	odometer     [arrayRows]uint32
	flags        [arrayRows]uint16
	typ          [arrayRows]uint8
	mode, aspect [arrayRows]uint8
	intact       [arrayRows]bool
	ends         [arrayRows + 1]int32
	text         [arrayRows * arrayText]byte
}

func newArrays() *arrays {
	a := &arrays{}
	for i := range a.crc {
		c := uint16(i) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
		a.crc[i] = c
	}
	return a
}

func (a *arrays) checksum(b []byte) uint16 {
	c := uint16(0xFFFF)
	for _, x := range b {
		c = c<<8 ^ a.crc[byte(c>>8)^x]
	}
	return c
}

// decode takes whole records until the arrays are full and says how many bytes it is done with.
func (a *arrays) decode(b []byte) int {
	at, n := 0, a.n
	used := int(a.ends[n])
	for n < arrayRows && len(b)-at >= 4 {
		r := b[at:]
		if r[0] != 0x5A || r[1] != 0xA5 || r[3] < sampleBytes {
			at++
			continue
		}
		size := int(r[3])
		if len(r) < size {
			break
		}
		r = r[:size:size]
		a.time[n] = int64(binary.LittleEndian.Uint64(r[4:]))
		a.typ[n] = r[2]
		a.speed[n] = float64(binary.LittleEndian.Uint16(r[12:])) * 0.01
		a.flags[n] = binary.LittleEndian.Uint16(r[14:])
		a.position[n] = float64(int32(binary.LittleEndian.Uint32(r[16:]))) * 0.01
		a.odometer[n] = binary.LittleEndian.Uint32(r[20:])
		a.acceleration[n] = float32(int16(binary.LittleEndian.Uint16(r[24:]))) * 0.001
		a.mode[n], a.aspect[n] = r[26], r[27]
		used += copy(a.text[used:], r[28:size-2])
		a.intact[n] = a.checksum(r[:size-2]) == binary.LittleEndian.Uint16(r[size-2:])
		n++
		a.ends[n] = int32(used)
		at += size
	}
	a.n = n
	return at
}

// nativeArrays times it on a log.
func nativeArrays(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("decode to arrays: %w", err)
	}
	defer f.Close()
	began := time.Now()
	if _, err := f.Seek(logHeader, io.SeekStart); err != nil {
		return 0, fmt.Errorf("decode to arrays: %w", err)
	}
	a, in, have, rows := newArrays(), make([]byte, arrayBuffer), 0, 0
	for more := true; more; {
		n, err := io.ReadFull(f, in[have:])
		have += n
		if more = err == nil; !more && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return 0, fmt.Errorf("decode to arrays: %w", err)
		}
		at := a.decode(in[:have])
		for a.n == arrayRows {
			rows, a.n = rows+a.n, 0
			at += a.decode(in[at:have])
		}
		have = copy(in, in[at:have])
	}
	took := time.Since(began)
	if rows+a.n == 0 {
		return 0, errors.New("decode to arrays: the log has no samples")
	}
	return took, nil
}
