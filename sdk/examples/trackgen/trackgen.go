// Package trackgen makes inputs of any size for the example decoders of the SDKs, the same for the same options: whole
// ones, and damaged and truncated ones. It is apart from the decoder so that the decoder is not tested against itself:
// it shares no code with it.
package trackgen

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
)

// Options say what an input holds. The zero value is a header without records.
type Options struct {
	Seed  uint64
	Bytes int64  // records are written while the input is shorter
	Plain bool   // samples of 38 bytes only, as benchmarks want them
	Unit  string // name of the recorder's unit, cut to 8 bytes
	Start int64  // microseconds since 1970 of the first record
}

// Sizes of the format, see ../README.md.
const (
	headerBytes = 32
	plainText   = 8
	step        = 100_000 // microseconds between records
)

// texts are what samples and events say.
var texts = []string{"", "ok", "door closed", "Gleis 3 frei", "прибытие", "信号", "brake test 0.8 bar", "a\tb\"c\\d"}

// Write writes an input.
func Write(w io.Writer, o Options) error {
	buf := bufio.NewWriterSize(w, 1<<16)
	g := generator{rng: rand.New(rand.NewPCG(o.Seed, 1)), time: o.Start, position: -123_456} //nolint:gosec // the same for the same seed
	n, err := buf.Write(header(o))
	for at := int64(n); err == nil && at < o.Bytes; at += int64(n) {
		n, err = buf.Write(g.next(o.Plain))
	}
	if err == nil {
		err = buf.Flush()
	}
	if err != nil {
		return fmt.Errorf("write a track log: %w", err)
	}
	return nil
}

func header(o Options) []byte {
	h := make([]byte, headerBytes)
	copy(h, "TRACKLOG")
	h[8] = 1
	binary.LittleEndian.PutUint16(h[10:], headerBytes)
	binary.BigEndian.PutUint64(h[12:], uint64(o.Start))
	copy(h[20:28], o.Unit)
	binary.LittleEndian.PutUint16(h[30:], crc16(h[:30]))
	return h
}

// generator makes one record after the other.
type generator struct {
	rng      *rand.Rand
	time     int64
	position int32
	odometer uint32
	buf      [255]byte
}

func (g *generator) next(plain bool) []byte {
	g.time += step + int64(g.rng.IntN(1000))
	typ := byte(1)
	if !plain {
		switch k := g.rng.IntN(100); {
		case k < 8:
			typ = 2
		case k < 10:
			typ = byte(7 + g.rng.IntN(3))
		}
	}
	b := g.buf[:0]
	b = append(b, 0x5A, 0xA5, typ, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(g.time))
	switch typ {
	case 1:
		b = g.sample(b, plain)
	case 2:
		b = g.event(b)
	default:
		for range g.rng.IntN(20) {
			b = append(b, byte(g.rng.Uint32()))
		}
	}
	b[3] = byte(len(b) + 2)
	return binary.LittleEndian.AppendUint16(b, crc16(b))
}

func (g *generator) sample(b []byte, plain bool) []byte {
	speed := uint16(g.rng.IntN(30_000))
	if !plain && g.rng.IntN(20) == 0 {
		speed = 0xFFFF
	}
	g.position += int32(g.rng.IntN(5000)) - 500
	g.odometer += uint32(g.rng.IntN(50))
	b = binary.LittleEndian.AppendUint16(b, speed)
	b = binary.LittleEndian.AppendUint16(b, uint16(g.rng.Uint32()))
	b = binary.LittleEndian.AppendUint32(b, uint32(g.position))
	b = binary.LittleEndian.AppendUint32(b, g.odometer)
	b = binary.LittleEndian.AppendUint16(b, uint16(g.rng.IntN(4000)-2000))
	b = append(b, byte(g.rng.IntN(6)), byte(g.rng.IntN(4)))
	if plain {
		return fmt.Appendf(b, "S%07d", g.rng.IntN(10_000_000))[:28+plainText]
	}
	return append(b, texts[g.rng.IntN(len(texts))]...)
}

func (g *generator) event(b []byte) []byte {
	b = binary.LittleEndian.AppendUint16(b, uint16(g.rng.IntN(6)))
	b = append(b, byte(g.rng.IntN(4)), byte(g.rng.IntN(2)))
	value := int32(g.rng.Uint32())
	if g.rng.IntN(4) == 0 {
		value = -1 << 31
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(value))
	payload := g.rng.IntN(12) * g.rng.IntN(2)
	b = append(b, byte(payload))
	for range payload {
		b = append(b, byte(g.rng.Uint32()))
	}
	return append(b, texts[g.rng.IntN(len(texts))]...)
}

// crc16 is CRC-16/CCITT-FALSE, bit by bit.
func crc16(b []byte) uint16 {
	c := uint16(0xFFFF)
	for _, x := range b {
		c ^= uint16(x) << 8
		for range 8 {
			if c&0x8000 != 0 {
				c = c<<1 ^ 0x1021
			} else {
				c <<= 1
			}
		}
	}
	return c
}
