package recorder

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// passOf makes the part bodies of a telegram whose user bytes all are mark, so that a mixture shows.
func passOf(sequence, mark uint8) [5][]byte {
	var user [railtest.UserBytes]byte
	for i := range user {
		user[i] = mark
	}
	return railtest.Parts(sequence, user, [3]uint32{1, 3, 2})
}

// put records some parts, 1 to 5.
func put(l *railtest.Log, p [5][]byte, parts ...int) {
	for _, n := range parts {
		l.Record(uint8(42+n), p[n-1])
	}
}

// marks gives each telegram's sequence and mark, and fails on a mixture.
func marks(t interface {
	Helper()
	Fatalf(string, ...any)
}, r *sdktest.Result,
) []string {
	t.Helper()
	rows := r.Tables["telegrams"]
	out := []string{}
	for i := range rows.Len {
		user := rows.Value(i, "user_bits").([]byte)
		for k, b := range user {
			if b != user[0] && (k < len(user)-1 || b != user[0]&0xfc) {
				t.Fatalf("telegram %d is a mixture: %x", i+1, user)
			}
		}
		out = append(out, fmt.Sprintf("%d:%d", rows.Value(i, "sequence"), user[0]))
	}
	return out
}

func TestAssembly(t *testing.T) {
	for name, c := range map[string]struct {
		write      func(l *railtest.Log)
		want       string
		incomplete int
		stale      int
		reordered  int
	}{
		"in order":     {func(l *railtest.Log) { put(l, passOf(9, 1), 1, 2, 3, 4, 5) }, "[9:1]", 0, 0, 0},
		"out of order": {func(l *railtest.Log) { put(l, passOf(9, 1), 5, 3, 1, 2, 4) }, "[9:1]", 0, 0, 1},
		"interleaved": {func(l *railtest.Log) {
			a, b := passOf(255, 1), passOf(0, 2)
			for n := 1; n <= 5; n++ {
				put(l, a, n)
				l.Record(62, make([]byte, 32))
				put(l, b, 6-n)
			}
		}, "[255:1 0:2]", 0, 0, 1},
		"a part is missing": {func(l *railtest.Log) { put(l, passOf(9, 1), 1, 2, 4, 5) }, "[]", 1, 0, 0},
		"another pass over the same key": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 1, 2)
			put(l, passOf(9, 2), 1, 2, 3, 4, 5)
		}, "[9:2]", 1, 2, 0},
		"the same key, later": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 1, 2, 3)
			l.Time = l.Time.Add(time.Minute)
			put(l, passOf(9, 2), 4, 5)
		}, "[]", 2, 3, 0},
		"the same key, elsewhere": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 4, 5)
			l.Location += 100_000
			put(l, passOf(9, 2), 1, 2, 3)
		}, "[]", 2, 2, 0},
		"the same key, after the sequence wrapped": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 4, 5)
			for i := range 255 {
				put(l, passOf(uint8(10+i), 3), 1, 2, 3, 4)
			}
			put(l, passOf(9, 2), 1, 2, 3)
		}, "[]", 257, 2 + 4*240, 0},
		"the same key, many records later": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 4, 5)
			for range 1100 {
				l.Record(211, nil)
			}
			put(l, passOf(9, 2), 1, 2, 3)
		}, "[]", 2, 2, 0},
		"the clock goes back": {func(l *railtest.Log) {
			put(l, passOf(9, 1), 1, 2, 3)
			l.Time = l.Time.Add(-time.Hour)
			put(l, passOf(9, 2), 4, 5)
		}, "[]", 2, 3, 0},
		"twenty incomplete, then a whole one": {func(l *railtest.Log) {
			for i := range 20 {
				put(l, passOf(uint8(i), 3), 1, 2, 3, 4)
			}
			put(l, passOf(20, 4), 1, 2, 3, 4, 5)
		}, "[20:4]", 20, 5 * 4, 0},
		"scattered keys": {func(l *railtest.Log) {
			for i := range 40 {
				put(l, passOf(uint8(200-8*i), 3), 1)
			}
			put(l, passOf(77, 4), 1, 2, 3, 4, 5)
		}, "[77:4]", 40, -1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog()
			c.write(l)
			r := run(l, nil)
			if got := fmt.Sprint(marks(t, r)); got != c.want {
				t.Errorf("telegrams %s, want %s", got, c.want)
			}
			if n := r.Count(codeIncomplete); n != c.incomplete {
				t.Errorf("%d incomplete, want %d", n, c.incomplete)
			}
			if n := r.Count(codeStale); n != c.stale && c.stale >= 0 {
				t.Errorf("%d stale parts, want %d", n, c.stale)
			}
			if n := r.Count(codeReordered); n != c.reordered {
				t.Errorf("%d reordered, want %d", n, c.reordered)
			}
		})
	}
}

// TestAssemblyNeverMixes passes over balises with lost, late and shuffled parts.
func TestAssemblyNeverMixes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLog()
		whole := 0
		sequence := uint8(rapid.IntRange(0, 255).Draw(t, "sequence"))
		for i := range rapid.IntRange(1, 12).Draw(t, "passes") {
			order := rapid.Permutation([]int{1, 2, 3, 4, 5}).Draw(t, "order")
			order = order[:rapid.SampledFrom([]int{5, 5, 5, 4, 2}).Draw(t, "parts")]
			if len(order) == 5 {
				whole++
			}
			put(l, passOf(sequence, uint8(4*(i+1))), order...)
			sequence += uint8(rapid.SampledFrom([]int{1, 1, 2, 0}).Draw(t, "step"))
			l.Time = l.Time.Add(time.Duration(rapid.IntRange(6, 60).Draw(t, "seconds")) * time.Second)
			l.Location += 5000
		}
		r := run(l, nil)
		if got := marks(t, r); len(got) != whole {
			t.Fatalf("%v, want %d", got, whole)
		}
	})
}

func TestTelegramContent(t *testing.T) {
	for name, c := range map[string]struct {
		version uint64
		fill    func(m *railtest.Telegram)
		packets string
		status  string
		codes   []string
		vars    int
	}{
		"one packet":     {0x10, func(m *railtest.Telegram) { m.Packet(132, 1, railtest.F{V: 1, W: 1}) }, "132", "ok", nil, 4},
		"before the SRS": {0x01, func(m *railtest.Telegram) { m.Packet(132, 1, railtest.F{V: 1, W: 1}) }, "", codeVersion, []string{codeVersion}, 0},
		"of the future":  {0x30, func(*railtest.Telegram) {}, "", codeVersion, []string{codeVersion}, 0},
		"unknown packet": {0x20, func(m *railtest.Telegram) {
			m.Packet(201, 1, railtest.F{V: 1, W: 9})
			m.Packet(132, 1, railtest.F{V: 1, W: 1})
		}, "201 132", codeUnknown, []string{codeUnknown}, 7},
		"packet too long": {0x20, func(m *railtest.Telegram) { m.Packet(132, 1, railtest.F{V: 1, W: 5}) }, "132", codeMismatch, []string{codeMismatch}, 4},
		"of other version": {
			0x10, func(m *railtest.Telegram) {
				m.Packet(39, 1, railtest.F{V: 1, W: 2}, railtest.F{V: 9, W: 15}, railtest.F{V: 3, W: 8})
			},
			"39", "ok", nil, 6,
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &railtest.Telegram{}
			m.Header(c.version, 1, 2, 200, 1001, 16379)
			c.fill(m)
			l := newLog()
			put(l, railtest.Parts(7, m.Bytes(), [3]uint32{10, 30, 20}), 1, 2, 3, 4, 5)
			r := run(l, nil)
			rows := r.Tables["telegrams"]
			for column, want := range map[string]any{
				"packets": c.packets, "status": c.status, "m_version": c.version, "n_pig": uint64(1), "n_total": uint64(2),
				"m_mcount": uint64(200), "nid_c": uint64(1001), "nid_bg": uint64(16379), "q_link": uint64(1), "q_updown": uint64(1),
				"contact_first_ms": uint64(10), "contact_last_ms": uint64(30), "contact_centre_ms": uint64(20), "sequence": uint64(7),
			} {
				if got := rows.Value(0, column); got != want {
					t.Errorf("%s: %v, want %v", column, got, want)
				}
			}
			for _, code := range c.codes {
				if r.Count(code) != 1 {
					t.Errorf("no issue %s: %v", code, r.Issues)
				}
			}
			if n := r.Tables["variables"].Len; n != c.vars {
				t.Errorf("%d variables, want %d", n, c.vars)
			}
		})
	}
}

func TestTelegramWithoutEnd(t *testing.T) {
	l := newLog()
	m := &railtest.Telegram{}
	m.Header(0x10, 0, 0, 255, 1, 1)
	user := m.Bytes()
	for i := 6; i < len(user); i++ {
		user[i] = 0 // packets 0 to the end
	}
	put(l, railtest.Parts(7, user, [3]uint32{}), 1, 2, 3, 4, 5)
	r := run(l, nil)
	if got := r.Tables["telegrams"].Value(0, "status"); got != codeNoEnd || r.Count(codeNoEnd) != 1 {
		t.Errorf("status %v, %v", got, r.Issues)
	}
	if got := r.Tables["packets"].Value(0, "l_packet"); got != nil {
		t.Errorf("packet 0 has a length: %v", got)
	}
}

// FuzzTelegram assembles parts that are all fuzz.
func FuzzTelegram(f *testing.F) {
	p := passOf(1, 0x90)
	f.Add(bytes.Join(p[:], nil), []byte{0, 1, 2, 3, 4})
	f.Add(bytes.Repeat([]byte{0}, 32), []byte{0, 0, 1, 4, 4})
	f.Fuzz(func(t *testing.T, bodies, parts []byte) {
		l := newLog()
		for i, n := range parts {
			body := make([]byte, partBytes)
			if at := i * partBytes; at < len(bodies) {
				copy(body, bodies[at:])
			}
			l.Record(43+n%5, body)
			l.Time = l.Time.Add(time.Duration(n>>4) * time.Second)
		}
		r := run(l, nil)
		if r.FailCode != "" {
			t.Fatal(r.FailCode, r.FailText)
		}
		lost := r.Count(codeStale)
		if n := r.Tables["telegrams"].Len*5 + lost; n > len(parts) {
			t.Fatalf("%d parts are accounted for, %d were recorded", n, len(parts))
		}
	})
}
