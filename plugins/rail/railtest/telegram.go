package railtest

// Telegram writes the user bits of a balise telegram.
type Telegram struct {
	bits []byte // one a byte
}

// Put appends the low w bits of v.
func (t *Telegram) Put(v uint64, w int) {
	for i := w - 1; i >= 0; i-- {
		t.bits = append(t.bits, byte(v>>i&1))
	}
}

// F is a field of a packet: a value and its width.
type F struct {
	V uint64
	W int
}

// Packet appends a packet with its length filled in.
func (t *Telegram) Packet(nid, dir uint64, fields ...F) {
	n := 23
	for _, f := range fields {
		n += f.W
	}
	t.Put(nid, 8)
	t.Put(dir, 2)
	t.Put(uint64(n), 13)
	for _, f := range fields {
		t.Put(f.V, f.W)
	}
}

// Bytes gives the user data: the end packet and ones after what was put. Telegrams that are too long are a mistake
// of the caller.
func (t *Telegram) Bytes() [UserBytes]byte {
	t.Put(255, 8)
	if len(t.bits) > 830 {
		panic("railtest: telegram too long")
	}
	var out [UserBytes]byte
	for i := range out {
		for k := range 8 {
			bit := byte(1)
			if at := 8*i + k; at < len(t.bits) {
				bit = t.bits[at]
			}
			out[i] |= bit << (7 - k)
		}
	}
	return out
}

// Header appends a telegram's header, up link.
func (t *Telegram) Header(version, pig, total, mcount, country, group uint64) {
	t.Put(1, 1)
	t.Put(version, 7)
	t.Put(0, 1)
	t.Put(pig, 3)
	t.Put(total, 3)
	t.Put(0, 2)
	t.Put(mcount, 8)
	t.Put(country, 10)
	t.Put(group, 14)
	t.Put(1, 1)
}

// country is where the simulated line lies; no railway has it.
const country = 1001

// telegrams makes both telegrams of the group that is passed: the first has packets, the second says that it is
// there.
func (t *train) telegrams() (first, second [UserBytes]byte) {
	kind := t.group % 7
	version := uint64(0x10)
	if kind == 5 {
		version = 0x20
	}
	id := uint64(2000 + int(t.o.Seed%1000)*8 + t.group%6000)
	a := &Telegram{}
	a.Header(version, 0, 1, 0, country, id)
	next := uint64(2000 + int(t.o.Seed%1000)*8 + (t.group+1)%6000)
	// Linking: the next group in spacing metres.
	a.Packet(5, 1, F{1, 2}, F{uint64(t.spacing), 15}, F{0, 1}, F{next, 14}, F{1, 1}, F{1, 2}, F{5, 6}, F{0, 5})
	switch kind {
	case 0:
		a.level()
		a.national()
	case 1:
		a.authority(uint64(t.spacing))
		a.profiles(version)
		a.Packet(136, 1, F{0, 1}, F{next, 14})
	case 2:
		a.authority(uint64(2 * t.spacing))
		a.station(uint64(t.group), uint64(max(t.stop-t.at, 10_000)/100-stationBefore))
	case 3:
		a.profiles(version)
	case 4:
		a.curve()
		a.restriction()
	case 5:
		a.profiles(version)
		a.text("WAYSIDE LINE")
	case 6:
		a.Packet(132, 2, F{0, 1})
		a.Packet(16, 0, F{1, 2}, F{uint64(t.spacing), 15})
		a.Packet(65, 1, F{1, 2}, F{12, 8}, F{150, 15}, F{300, 15}, F{0, 1}, F{8, 7})
	}
	b := &Telegram{}
	b.Header(version, 1, 1, 255, country, id)
	return a.Bytes(), b.Bytes()
}

// level is a level transition order.
func (t *Telegram) level() {
	t.Packet(41, 1, F{1, 2}, F{32767, 15}, F{1, 3}, F{10, 8}, F{200, 15}, F{1, 5}, F{2, 3}, F{150, 15})
}

// national is national values of system version 1.
func (t *Telegram) national() {
	t.Packet(3, 2, F{1, 2}, F{32767, 15}, F{1, 5}, F{country, 10}, F{6, 7}, F{8, 7}, F{6, 7}, F{20, 7}, F{8, 7}, F{2, 15},
		F{1, 1}, F{0, 1}, F{0, 7}, F{6, 7}, F{200, 15}, F{60, 8}, F{200, 15}, F{1, 2}, F{255, 8}, F{1, 1}, F{32767, 15}, F{0, 1})
}

// authority is a movement authority of level 1 with a section timer and a danger point.
func (t *Telegram) authority(length uint64) {
	t.Packet(12, 1, F{1, 2}, F{32, 7}, F{0, 7}, F{1023, 10}, F{1, 5}, F{length, 15}, F{1, 1}, F{90, 10}, F{40, 15},
		F{length + 300, 15}, F{0, 1}, F{0, 1}, F{1, 1}, F{50, 15}, F{126, 7}, F{0, 1})
}

// profiles are gradients and speeds.
func (t *Telegram) profiles(version uint64) {
	t.Packet(21, 1, F{1, 2}, F{0, 15}, F{1, 1}, F{4, 8}, F{2, 5}, F{420, 15}, F{0, 1}, F{7, 8}, F{900, 15}, F{0, 1}, F{255, 8})
	if version>>4 == 1 {
		t.Packet(27, 1, F{1, 2}, F{0, 15}, F{16, 7}, F{0, 1}, F{1, 5}, F{2, 4}, F{18, 7}, F{2, 5},
			F{500, 15}, F{24, 7}, F{0, 1}, F{0, 5}, F{1200, 15}, F{127, 7}, F{0, 1}, F{0, 5})
		return
	}
	t.Packet(27, 1, F{1, 2}, F{0, 15}, F{16, 7}, F{0, 1}, F{2, 5}, F{0, 2}, F{4, 4}, F{18, 7}, F{1, 2}, F{2, 4}, F{20, 7}, F{1, 5},
		F{500, 15}, F{24, 7}, F{0, 1}, F{0, 5})
}

// A station begins stationBefore metres before the place where the train stops.
const (
	stationBefore = 100
	stationLength = 160
)

// station is packet 44 of user 7, kind 2: a station that begins in so many metres.
func (t *Telegram) station(id, start uint64) {
	t.Packet(44, 1, F{7, 9}, F{2, 8}, F{id % 512, 9}, F{start / 2, 13}, F{start, 13}, F{stationLength, 12}, F{9, 7}, F{1, 2})
}

// curve is packet 44 of user 7, kind 0.
func (t *Telegram) curve() {
	t.Packet(44, 1, F{7, 9}, F{0, 8}, F{120, 13}, F{80, 12}, F{11, 5}, F{1, 5}, F{260, 13}, F{90, 12}, F{7, 5})
}

// restriction is packet 44 of user 7, kind 3.
func (t *Telegram) restriction() {
	t.Packet(44, 1, F{7, 9}, F{3, 8}, F{21, 8}, F{400, 15}, F{250, 15}, F{0, 1}, F{1, 1}, F{6, 7}, F{1, 5}, F{2, 4}, F{1, 2}, F{8, 7})
}

// text is a plain text message of system version 2.
func (t *Telegram) text(s string) {
	f := []F{
		{1, 2}, {0, 2}, {0, 1}, {0, 15}, {15, 4}, {5, 3}, {300, 15}, {30, 10}, {15, 4}, {5, 3}, {0, 2}, {uint64(len(s)), 8},
	}
	for _, c := range []byte(s) {
		f = append(f, F{uint64(c), 8})
	}
	t.Packet(72, 1, f...)
}
