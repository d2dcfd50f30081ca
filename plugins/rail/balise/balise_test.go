package balise

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// writer writes bits.
type writer struct{ bits []byte }

func (w *writer) put(v uint64, n int) {
	for i := n - 1; i >= 0; i-- {
		w.bits = append(w.bits, byte(v>>i&1))
	}
}

// bytes gives the user data, ones after what was written.
func (w *writer) bytes() []byte {
	out := make([]byte, UserBytes)
	for i := range out {
		for k := range 8 {
			bit := byte(1)
			if at := 8*i + k; at < len(w.bits) {
				bit = w.bits[at]
			}
			out[i] |= bit << (7 - k)
		}
	}
	return out
}

// made is a packet that was encoded.
type made struct {
	nid  uint8
	vars []Variable
	bits []int // widths of vars
	rest int   // opaque bits
}

func (m *made) length() int {
	n := m.rest
	for _, b := range m.bits {
		n += b
	}
	return n
}

// encoder makes packets by walking through layouts in its own way.
type encoder struct {
	t    *rapid.T
	m    *made
	slot [slots]uint64
}

// packet makes a random packet of a layout.
func (e *encoder) packet(l *layout) *made {
	e.m = &made{nid: l.nid}
	e.slot = [slots]uint64{}
	e.steps(int(l.first), int(l.end))
	for i := range e.m.vars {
		if e.m.vars[i].Name == nameLength {
			e.m.vars[i].Raw = uint64(e.m.length())
		}
	}
	return e.m
}

func (e *encoder) steps(at, end int) {
	for at < end {
		s := steps[at]
		at++
		switch s.op {
		case opField:
			v := e.value(&s)
			e.slot[s.slot] = v
			e.m.vars = append(e.m.vars, Variable{Name: s.name, Raw: v})
			e.m.bits = append(e.m.bits, int(s.bits))
		case opIf, opUnless:
			if (e.slot[s.slot] == uint64(s.value)) == (s.op == opIf) {
				at = int(s.jump)
			}
		case opJump:
			at = int(s.jump)
		case opRepeat:
			for range e.slot[s.slot] {
				e.steps(at, int(s.jump))
			}
			at = int(s.jump)
		case opRest:
			e.m.rest = rapid.IntRange(0, 40).Draw(e.t, "rest")
		}
	}
}

func (e *encoder) value(s *step) uint64 {
	most := ^uint64(0) >> (64 - s.bits)
	switch variableNames[s.name] {
	case "NID_PACKET":
		return uint64(e.m.nid)
	case "N_ITER", "L_TEXT":
		most = min(most, 3)
	case "NID_XUSER":
		return rapid.SampledFrom([]uint64{7, 102, 1, 511}).Draw(e.t, "user")
	case "NID_XDATA":
		return rapid.Uint64Range(0, 6).Draw(e.t, "data")
	}
	return rapid.Uint64Range(0, most).Draw(e.t, variableNames[s.name])
}

// TestRoundTrip makes telegrams of random packets, each layout the first in some, and reads them back.
func TestRoundTrip(t *testing.T) {
	r := NewReader()
	for _, major := range []uint8{1, 2} {
		for _, l := range layoutsOf(major) {
			rapid.Check(t, func(t *rapid.T) { roundTrip(t, r, major, l) })
		}
	}
}

// layoutsOf gives the layouts of a version.
func layoutsOf(major uint8) []*layout {
	var out []*layout
	for i := range layouts {
		l := &layouts[i]
		own := slices.ContainsFunc(layouts[:], func(o layout) bool { return o.nid == l.nid && o.major == 1 })
		if l.major == major || major == 1 && !own {
			out = append(out, l)
		}
	}
	return out
}

func roundTrip(t *rapid.T, r *Reader, major uint8, first *layout) {
	w := &writer{}
	h := Header{
		UpDown: 1, Version: major << 4, Pig: 3, Total: 5, Dup: 2, MCount: uint8(rapid.IntRange(0, 255).Draw(t, "count")),
		Country: uint16(rapid.IntRange(0, 1023).Draw(t, "country")), Group: uint16(rapid.IntRange(0, 16383).Draw(t, "group")), Link: 1,
	}
	w.put(1, 1)
	w.put(uint64(h.Version), 7)
	w.put(0, 1)
	w.put(3, 3)
	w.put(5, 3)
	w.put(2, 2)
	w.put(uint64(h.MCount), 8)
	w.put(uint64(h.Country), 10)
	w.put(uint64(h.Group), 14)
	w.put(1, 1)
	want := packetsFor(t, w, major, first)
	w.put(endPacket, 8)
	got, ok := r.Reset(w.bytes(), UserBits)
	if !ok || got != h {
		t.Fatalf("header %+v, want %+v", got, h)
	}
	var p Packet
	for i, m := range want {
		if !r.Next(&p) {
			t.Fatalf("no packet %d", i)
		}
		same := slices.EqualFunc(r.Variables(), m.vars, func(a, b Variable) bool { return a.Name == b.Name && a.Raw == b.Raw })
		if p.NID != m.nid || p.Status != OK || !same {
			t.Fatalf("packet %d, status %d: %v, want %v", p.NID, p.Status, r.Variables(), m.vars)
		}
		if !p.Short && int(p.Length) != m.length() {
			t.Fatalf("packet %d: length %d, want %d", p.NID, p.Length, m.length())
		}
	}
	if r.Next(&p) || !r.Ended() {
		t.Fatalf("the end packet was not found")
	}
}

// packetsFor appends random packets of a version while they fit.
func packetsFor(t *rapid.T, w *writer, major uint8, first *layout) []*made {
	var out []*made
	for i := range rapid.IntRange(1, 3).Draw(t, "packets") {
		l := first
		if i > 0 {
			l = rapid.SampledFrom(layoutsOf(major)).Draw(t, "layout")
		}
		m := (&encoder{t: t}).packet(l)
		if len(w.bits)+m.length()+8 > UserBits {
			continue
		}
		for i, v := range m.vars {
			w.put(v.Raw, m.bits[i])
		}
		w.put(0x5555555555, m.rest)
		out = append(out, m)
	}
	return out
}

// telegram makes a telegram of one packet that is given bit by bit, and reads it.
func telegram(version uint64, fields ...[2]uint64) (*Reader, *writer) {
	w := &writer{}
	w.put(1, 1)
	w.put(version, 7)
	w.put(0, headerBits-8)
	for _, f := range fields {
		w.put(f[0], int(f[1]))
	}
	r := NewReader()
	r.Reset(w.bytes(), UserBits)
	return r, w
}

func TestValuesUnitsAndMeanings(t *testing.T) {
	for name, c := range map[string]struct {
		variable string
		raw      uint64
		scale    uint64
		value    float64 // NaN = none
		unit     string
		meaning  string
	}{
		"10 cm":           {"D_LINK", 763, 0, 76.3, "m", ""},
		"1 m":             {"D_LINK", 763, 1, 763, "m", ""},
		"10 m":            {"D_LINK", 763, 2, 7630, "m", ""},
		"spare scale":     {"D_LINK", 763, 3, math.NaN(), "", ""},
		"infinite":        {"D_NVROLL", 32767, 1, math.NaN(), "", "infinite"},
		"speed":           {"V_MAIN", 32, 1, 160, "km/h", ""},
		"trip":            {"V_MAIN", 0, 1, 0, "km/h", "Means trip order"},
		"spare speed":     {"V_MAIN", 121, 1, math.NaN(), "", "Spare"},
		"end of profile":  {"V_STATIC", 127, 1, math.NaN(), "", "Non numerical value telling that the static speed profile description ends at D_STATIC(n)"},
		"gradient":        {"G_A", 7, 1, 7, "[ppth]", ""},
		"end of gradient": {"G_A", 255, 1, math.NaN(), "", "Non numerical value telling that the current gradient description ends at D_GRADIENT(n)"},
		"time":            {"T_SECTIONTIMER", 90, 1, 90, "s", ""},
		"no limit":        {"T_SECTIONTIMER", 1023, 1, math.NaN(), "", "infinite"},
		"deceleration":    {"A_NVP12", 3, 1, 0.15, "m/s2", ""},
		"factor":          {"M_NVAVADH", 1, 1, 0.05, "", ""},
		"spare factor":    {"M_NVAVADH", 25, 1, math.NaN(), "", "Spare"},
		"direction":       {"Q_DIR", 2, 1, 2, "", "Both directions"},
		"level":           {"M_LEVELTR", 1, 1, 1, "", "Level NTC specified by NID_NTC"},
		"platform":        {"M_PLATFORM", 13, 1, 13, "", "1100 mm"},
		"gauges":          {"M_LINEGAUGE", 5, 1, 5, "", "G1, GB"},
		"no gauge":        {"M_LINEGAUGE", 0, 1, 0, "", "Spare"},
		"voltage":         {"M_VOLTAGE", 2, 1, 2, "", "AC 15 kV 16.7 Hz"},
		"current":         {"M_CURRENT", 40, 1, 400, "A", ""},
		"any current":     {"M_CURRENT", 1023, 1, math.NaN(), "", "No restriction for current consumption"},
		"never report":    {"D_CYCLOC", 32767, 1, math.NaN(), "", "The train has not to report cyclically its position."},
		"phone":           {"NID_RADIO", 0x0123456789ffffff, 1, 123456789, "", ""},
		"phone, wrong":    {"NID_RADIO", 0x0123f56789ffffff, 1, math.NaN(), "", ""},
		"stored phone":    {"NID_RADIO", math.MaxUint64, 1, 0, "", "Use the short number stored onboard"},
		"train":           {"NID_OPERATIONAL", 0xffff4711, 1, 4711, "", ""},
		"axle load":       {"M_AXLELOAD", 45, 1, 22.5, "t", ""},
		"heavy":           {"M_AXLELOAD", 126, 1, math.NaN(), "", "Exceeds 40 t"},
		"group":           {"NID_BG", 16383, 1, 16383, "", "Identity is unknown (only to be used for Linking information)"},
		"user data":       {"D_CURVEDISTANCE", 120, 1, 120, "", ""},
		"km reference":    {"M_POSITION", 16777215, 1, math.NaN(), "", "No more geographical position calculation after this reference location"},
	} {
		t.Run(name, func(t *testing.T) {
			i := slices.Index(variableNames[:], c.variable)
			if i < 0 {
				t.Fatalf("no variable %s", c.variable)
			}
			r := NewReader()
			r.count = 2
			r.names[0], r.raws[0] = nameScale, c.scale
			r.names[1], r.raws[1] = uint16(i), c.raw
			v := r.Variables()[1]
			if v.Valued == math.IsNaN(c.value) || v.Valued && v.Value != c.value {
				t.Errorf("value %v (%v), want %v", v.Value, v.Valued, c.value)
			}
			if v.Valued && unitNames[v.Unit] != c.unit {
				t.Errorf("unit %q, want %q", unitNames[v.Unit], c.unit)
			}
			if meaningNames[v.Meaning] != c.meaning {
				t.Errorf("meaning %q, want %q", meaningNames[v.Meaning], c.meaning)
			}
		})
	}
}

func TestWrongLengths(t *testing.T) {
	for name, c := range map[string]struct {
		fields [][2]uint64
		status []Status
		ended  bool
	}{
		// Packet 132 has 24 bits.
		"right":       {[][2]uint64{{132, 8}, {1, 2}, {24, 13}, {0, 1}, {255, 8}}, []Status{OK}, true},
		"padded":      {[][2]uint64{{132, 8}, {1, 2}, {26, 13}, {0, 3}, {255, 8}}, []Status{Mismatch}, true},
		"past end":    {[][2]uint64{{132, 8}, {1, 2}, {8000, 13}, {0, 1}, {255, 8}}, []Status{Mismatch}, true},
		"zero":        {[][2]uint64{{132, 8}, {1, 2}, {0, 13}, {0, 1}, {255, 8}}, []Status{Mismatch}, true},
		"unknown":     {[][2]uint64{{201, 8}, {1, 2}, {30, 13}, {0, 7}, {255, 8}}, []Status{Unknown}, true},
		"unknown, no": {[][2]uint64{{201, 8}, {1, 2}, {8000, 13}, {0, 7}, {255, 8}}, []Status{Unknown}, false},
		"opaque":      {[][2]uint64{{44, 8}, {1, 2}, {50, 13}, {9, 9}, {0, 18}, {255, 8}}, []Status{OK}, true},
		"opaque, no":  {[][2]uint64{{44, 8}, {1, 2}, {4000, 13}, {9, 9}, {0, 18}, {255, 8}}, []Status{Mismatch}, false},
		"short":       {[][2]uint64{{0, 8}, {5, 6}, {255, 8}}, []Status{OK}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r, _ := telegram(0x20, c.fields...)
			var p Packet
			for i, want := range c.status {
				if !r.Next(&p) || p.Status != want {
					t.Errorf("packet %d: status %d, want %d", i, p.Status, want)
				}
			}
			if r.Next(&p) || r.Ended() != c.ended {
				t.Errorf("ended %v, want %v", r.Ended(), c.ended)
			}
		})
	}
}

func FuzzReader(f *testing.F) {
	_, w := telegram(0x10, [2]uint64{132, 8}, [2]uint64{1, 2}, [2]uint64{24, 13}, [2]uint64{0, 1}, [2]uint64{255, 8})
	f.Add(w.bytes())
	f.Add(make([]byte, UserBytes))
	f.Add([]byte{0x90, 0x02})
	_, w = telegram(0x20, [2]uint64{27, 8}, [2]uint64{1, 2}, [2]uint64{800, 13}, [2]uint64{math.MaxUint64, 64}, [2]uint64{math.MaxUint64, 64})
	f.Add(w.bytes())
	r := NewReader()
	f.Fuzz(func(t *testing.T, b []byte) {
		h, ok := r.Reset(b, len(b)*8)
		if !ok || !h.Supported() {
			return
		}
		var p Packet
		at := headerBits
		for r.Next(&p) {
			if p.Start != at {
				t.Fatalf("packet at %d, want %d", p.Start, at)
			}
			if r.broken {
				break
			}
			at = r.pos
			if at <= p.Start || at > UserBits {
				t.Fatalf("packet from %d to %d", p.Start, at)
			}
			if p.Count > UserBits || len(r.Variables()) != p.Count {
				t.Fatalf("%d variables", p.Count)
			}
		}
	})
}

func TestReadingAllocatesNothing(t *testing.T) {
	_, w := telegram(0x10, [2]uint64{132, 8}, [2]uint64{1, 2}, [2]uint64{24, 13}, [2]uint64{0, 1}, [2]uint64{255, 8})
	b := w.bytes()
	r := NewReader()
	var p Packet
	if n := testing.AllocsPerRun(100, func() {
		r.Reset(b, UserBits)
		for r.Next(&p) {
			r.Variables()
		}
	}); n > 0 {
		t.Errorf("%v allocations a telegram", n)
	}
}
