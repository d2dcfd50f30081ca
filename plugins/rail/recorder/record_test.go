package recorder

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

// newLog begins a recording at a fixed time and place.
func newLog() *railtest.Log {
	return &railtest.Log{Time: time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC), Location: 12_345, Speed: 1000}
}

func run(l *railtest.Log, params map[string]string) *sdktest.Result {
	return sdktest.Run(Plugin(), bytes.NewReader(l.Bytes()), params)
}

func TestRecordColumns(t *testing.T) {
	l := newLog()
	l.Record(31, []byte{0xab, 0xcd})
	l.Location, l.Speed = -50, -7
	l.Record(211, nil)
	b := l.Bytes()
	b[18+7] = 0xff // the second location is below zero, without the base: -50 cm
	copy(b[18+7:], []byte{0xff, 0xff, 0xff, 0xce})
	r := run(l, nil)
	rows := r.Tables["records"]
	for _, c := range []struct {
		row  int
		name string
		want any
	}{
		{0, "seq", int64(1)},
		{0, "offset", int64(0)},
		{0, "type", uint64(31)},
		{0, "type_name", "DX in (port 2176)"},
		{0, "time", time.Date(2025, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro()},
		{0, "location_m", int64(12_345)},
		{0, "speed_kmh", int64(36_000)},
		{0, "length", uint64(2)},
		{1, "seq", int64(2)},
		{1, "offset", int64(18)},
		{1, "location_m", int64(-50)},
		{1, "speed_kmh", int64(-252)},
		{1, "length", uint64(0)},
	} {
		if got := rows.Value(c.row, c.name); got != c.want {
			t.Errorf("row %d, %s: %v, want %v", c.row, c.name, got, c.want)
		}
	}
	if got := rows.Value(0, "body").([]byte); !bytes.Equal(got, []byte{0xab, 0xcd}) {
		t.Errorf("body %x", got)
	}
}

func TestDamagedRecordsAreKeptAndReported(t *testing.T) {
	for name, c := range map[string]struct {
		typ    uint8
		body   []byte
		change func(rec []byte)
		code   string
		level  abi.Severity
	}{
		"wrong length":   {31, []byte{1, 2, 3}, func([]byte) {}, codeBadLength, abi.Error},
		"month 13":       {31, []byte{1, 2}, func(r []byte) { r[2] = 13 }, codeBadTime, abi.Error},
		"30 February":    {31, []byte{1, 2}, func(r []byte) { r[2], r[3] = 2, 30 }, codeBadTime, abi.Error},
		"hour 24":        {31, []byte{1, 2}, func(r []byte) { r[4] = 24 }, codeBadTime, abi.Error},
		"minute 60":      {31, []byte{1, 2}, func(r []byte) { r[5] = 60 }, codeBadTime, abi.Error},
		"second 60":      {31, []byte{1, 2}, func(r []byte) { r[6] = 60 }, codeBadTime, abi.Error},
		"unknown type":   {99, []byte{1, 2}, func([]byte) {}, codeNoLayout, abi.Info},
		"without layout": {41, make([]byte, 16), func([]byte) {}, codeNoLayout, abi.Info},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog()
			l.Record(211, nil)
			at := l.Len()
			l.Record(c.typ, c.body)
			c.change(l.Bytes()[at:])
			l.Record(211, nil)
			r := run(l, nil)
			if r.Code != abi.DecodeOK || r.Tables["records"].Len != 3 {
				t.Fatalf("result %d with %d rows", r.Code, r.Tables["records"].Len)
			}
			found := false
			for _, i := range r.Issues {
				found = found || i.Code == c.code && i.Severity == c.level && i.Offset == int64(at)
			}
			if !found {
				t.Errorf("no issue %s at %d: %v", c.code, at, r.Issues)
			}
			if null := r.Tables["records"].Value(1, "time") == nil; null != (c.code == codeBadTime) {
				t.Errorf("time is null: %v", null)
			}
		})
	}
}

func TestGarbageEndsTheRun(t *testing.T) {
	l := newLog()
	l.Record(211, nil)
	b := append(l.Bytes(), bytes.Repeat([]byte{0xf0}, 300)...)
	r := sdktest.Run(Plugin(), bytes.NewReader(b), nil)
	if r.Tables["records"].Len != 1 || r.Count(codeCorrupt) != 1 || r.Code != abi.DecodeOK {
		t.Errorf("%d rows, result %d, %v", r.Tables["records"].Len, r.Code, r.Issues)
	}
	r = sdktest.Run(Plugin(), bytes.NewReader(b[16:]), nil)
	if r.FailCode != codeCorrupt {
		t.Errorf("garbage alone: %q", r.FailCode)
	}
}

func TestDriverDataIsBlankedUnlessRevealed(t *testing.T) {
	secret := []byte("PERSON42\x00\x00\x11\x22SHIFT-07")
	for i, number := range []byte{14, 104, 14} {
		l := newLog()
		l.Record([]uint8{1, 1, 4}[i], append([]byte{number, 0, 184}, secret...))
		r := run(l, nil)
		body := r.Tables["records"].Value(0, "body").([]byte)
		if want := append([]byte{number, 0, 184}, make([]byte, 20)...); !bytes.Equal(body, want) {
			t.Errorf("packet %d: body %x", number, body)
		}
		r = run(l, map[string]string{"reveal": "true"})
		if body := r.Tables["records"].Value(0, "body").([]byte); !bytes.Equal(body[3:], secret) {
			t.Errorf("packet %d revealed: body %x", number, body)
		}
	}
	l := newLog()
	l.Record(1, []byte{1, 0, 40, 8, 9})
	if body := run(l, nil).Tables["records"].Value(0, "body").([]byte); !bytes.Equal(body, []byte{1, 0, 40, 8, 9}) {
		t.Errorf("other packet: body %x", body)
	}
}

func TestDaysOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		y, m, d := rapid.Int64Range(2000, 2255).Draw(t, "year"), rapid.Int64Range(0, 14).Draw(t, "month"), rapid.Int64Range(0, 33).Draw(t, "day")
		at := time.Date(int(y), time.Month(m), int(d), 0, 0, 0, 0, time.UTC)
		exists := m >= 1 && m <= 12 && at.Month() == time.Month(m) && at.Day() == int(d)
		days, ok := daysOf(y, m, d)
		if ok != exists || ok && days != at.Unix()/86400 {
			t.Fatalf("%d-%d-%d: %d %v", y, m, d, days, ok)
		}
	})
}

func TestSniff(t *testing.T) {
	b := railtest.Example()
	ends := starts(b)
	for n, want := range map[int]int{0: 0, ends[1]: 90, ends[3]: 90, ends[4]: 90, len(b): 90, ends[1] - 1: 0, ends[3] - 1: 0} {
		if got := sniff(b[:n]); got != want {
			t.Errorf("first %d bytes: %d, want %d", n, got, want)
		}
	}
	for name, change := range map[string]func(b []byte){
		"type": func(b []byte) { b[0] = 99 }, "length": func(b []byte) { b[ends[1]+15] ^= 0xff }, "month": func(b []byte) { b[2] = 13 },
		"third record": func(b []byte) { b[ends[2]+4] = 24 },
	} {
		c := bytes.Clone(b)
		change(c)
		if got := sniff(c); got != 0 {
			t.Errorf("wrong %s: %d", name, got)
		}
	}
	if got := sniff(bytes.Repeat([]byte("2025-01-02 03:04:05 log line\n"), 100)); got != 0 {
		t.Errorf("text: %d", got)
	}
}
