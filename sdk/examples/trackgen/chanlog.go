package trackgen

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
)

// Sizes of channel logs.
const (
	mostGroups   = 3
	mostChannels = 6
)

// channelNames are meant to collide, and not to be names of columns.
var channelNames = []string{"Temp. [°C]", "temp c", "", "seq", "offset", "U(t)", "1. Achse", "напряжение", "temp_c", "Druck"}

// units are what headers say, good and bad ones.
var units = []string{"", "Cel", "°C", "V", "bar", "%"}

// Channels makes a channel log: records are written while it is shorter than o.Bytes. nested of them are files inside
// it, which hold channel logs too.
func Channels(o Options, nested int) []byte {
	g := chanGenerator{rng: rand.New(rand.NewPCG(o.Seed, 3)), time: o.Start} //nolint:gosec // the same for the same seed
	b := g.header([]byte("CHANLOG1"))
	for n := 0; int64(len(b)) < o.Bytes || n < nested; n++ {
		if n < nested {
			inner := o
			inner.Seed, inner.Bytes = o.Seed*31+uint64(n)+1, o.Bytes/4
			name := fmt.Sprintf("inside-%d.chl", n)
			if g.rng.IntN(4) == 0 {
				name = "" // the SDKs give it one
			}
			b = appendFile(b, name, Channels(inner, 0))
		}
		b = g.record(b)
	}
	return b
}

// appendFile appends a record that holds a file.
func appendFile(b []byte, name string, data []byte) []byte {
	b = append(b, 0xFF, byte(len(name)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	return append(append(b, name...), data...)
}

// chanGenerator makes one record after the other.
type chanGenerator struct {
	rng    *rand.Rand
	time   int64
	groups [][]byte // types of their channels
}

func (g *chanGenerator) header(b []byte) []byte {
	g.groups = make([][]byte, 1+g.rng.IntN(mostGroups))
	b = append(b, byte(len(g.groups)))
	for i := range g.groups {
		name := fmt.Sprintf("rack %d, %s", i, texts[g.rng.IntN(len(texts))])
		g.groups[i] = make([]byte, g.rng.IntN(mostChannels+1))
		b = append(append(b, byte(len(name))), name...)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(g.groups[i])))
		for k := range g.groups[i] {
			g.groups[i][k] = byte(1 + g.rng.IntN(3))
			unit, name := units[g.rng.IntN(len(units))], channelNames[g.rng.IntN(len(channelNames))]
			b = append(b, g.groups[i][k], byte(len(unit)), byte(len(name)))
			b = append(append(b, unit...), name...)
		}
	}
	return b
}

func (g *chanGenerator) record(b []byte) []byte {
	g.time += step
	group := g.rng.IntN(len(g.groups))
	b = binary.LittleEndian.AppendUint64(append(b, byte(group)), uint64(g.time))
	for _, typ := range g.groups[group] {
		switch typ {
		case 1:
			b = binary.LittleEndian.AppendUint32(b, g.rng.Uint32())
		case 2:
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(g.rng.IntN(1_000_000))/1000))
		default:
			text := texts[g.rng.IntN(len(texts))]
			b = append(append(b, byte(len(text))), text...)
		}
	}
	return b
}
