package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// pair gives both ends of a socket.
func pair(tb testing.TB) (parent, child *Conn) {
	tb.Helper()
	parent, f, err := Pair()
	if err != nil {
		tb.Fatal(err)
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	_ = f.Close()
	child = Inherited(fd)
	tb.Cleanup(func() { _, _ = parent.Close(), child.Close() })
	return parent, child
}

func TestMessagesBothWays(t *testing.T) {
	parent, child := pair(t)
	for _, text := range []string{"short", strings.Repeat("long ", 100_000)} {
		for name, ends := range map[string][2]*Conn{"to child": {parent, child}, "to parent": {child, parent}} {
			f, err := MemFile("x", []byte("content"))
			if err != nil {
				t.Fatal(err)
			}
			if err := ends[0].Send(KindLog, Log{Level: 4, Text: text}, f); err != nil {
				t.Fatal(err)
			}
			_ = f.Close()
			m, err := ends[1].Recv()
			if err != nil {
				t.Fatal(err)
			}
			var l Log
			if err := m.Decode(&l); err != nil || m.Kind != KindLog || l.Text != text {
				t.Errorf("%s: kind %d, %d bytes, %v", name, m.Kind, len(l.Text), err)
			}
			got := m.TakeFile()
			if got == nil {
				t.Fatalf("%s: no file", name)
			}
			if b, _ := io.ReadAll(got); string(b) != "content" {
				t.Errorf("%s: file holds %q", name, b)
			}
			if flags, _ := unix.FcntlInt(got.Fd(), unix.F_GETFD, 0); flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("%s: the descriptor would be inherited", name)
			}
			_ = got.Close()
			m.Close()
		}
	}
}

func TestDeadlineAndEnd(t *testing.T) {
	parent, child := pair(t)
	if err := parent.SetDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := parent.Recv(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("deadline: %v", err)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := child.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("end: %v", err)
	}
}

// TestSendToOneThatDoesNotRead: the serving process must not wait for a worker that asks and never listens.
func TestSendToOneThatDoesNotRead(t *testing.T) {
	parent, _ := pair(t)
	if err := parent.SetDeadline(time.Now()); err != nil { // of receiving
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		for {
			if err := parent.Send(KindOpened, Opened{}); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case err := <-ended:
		if !errors.Is(err, ErrProtocol) || errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%v", err)
		}
	case <-time.After(5 * sendPatience):
		t.Error("it is still sending")
	}
}

func open(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

// TestHostilePackets sends what no worker of ours would: every one is refused and leaves no descriptor open.
func TestHostilePackets(t *testing.T) {
	pipe, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer w.Close()
	fd := int(pipe.Fd())
	for name, c := range map[string]struct {
		b   []byte
		fds []int
	}{
		"short":              {[]byte{version}, nil},
		"version":            {[]byte{9, byte(KindLog), 0}, nil},
		"kind 0":             {[]byte{version, 0, 0}, nil},
		"kind":               {[]byte{version, byte(kindEnd), 0}, nil},
		"flags":              {[]byte{version, byte(KindLog), 2}, []int{fd}},
		"spilled nowhere":    {[]byte{version, byte(KindLog), flagSpilled}, nil},
		"spilled to a pipe":  {[]byte{version, byte(KindLog), flagSpilled}, []int{fd}},
		"too long":           {make([]byte, packetBytes+1), []int{fd}},
		"many descriptors":   {[]byte{version, byte(KindLog), 0}, slices.Repeat([]int{fd}, MaxFiles+1)},
		"far too many":       {[]byte{version, byte(KindLog), 0}, slices.Repeat([]int{fd}, MaxFiles+50)},
		"short, descriptors": {[]byte{version}, []int{fd, fd}},
	} {
		parent, child := pair(t)
		before := open(t)
		raw, ok := child.sock.(blocking)
		if !ok {
			t.Fatal("not a raw socket")
		}
		var oob []byte
		if len(c.fds) > 0 {
			oob = unix.UnixRights(c.fds...)
		}
		if err := unix.Sendmsg(int(raw), c.b, oob, nil, 0); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m, err := parent.Recv(); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %+v %v", name, m, err)
		}
		if after := open(t); after != before {
			t.Errorf("%s: %d descriptors before, %d after", name, before, after)
		}
	}
}

// TestRecordsOfAnySize: what a compile worker leaves must not become as much memory of the serving process.
func TestRecordsOfAnySize(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, RecordFile)
	good, err := json.Marshal(Record{Generator: Generator(), SHA256: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := ReadRecord(dir, "a"); !ok {
		t.Error("a good record is refused")
	}
	if err := os.WriteFile(path, append(good, bytes.Repeat([]byte(" "), maxSmall)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok := ReadRecord(dir, "a"); ok {
		t.Error("a record that is too large is read")
	}
	if err := os.Truncate(path, 1<<40); err != nil {
		t.Fatal(err)
	}
	if _, ok := ReadRecord(dir, "a"); ok {
		t.Error("a record of 1 TiB is read")
	}
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, ok := ReadRecord(dir, "a"); ok {
		t.Error("a folder is read")
	}
}

func TestPage(t *testing.T) {
	p, f, err := NewPage()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	defer f.Close()
	other, err := MapPage(int(f.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	other.Begin()
	first := p.State()
	other.Read(100)
	other.Accepted(7)
	st := p.State()
	if st.Read != 100 || st.Rows != 7 || st.Steps != 1 || st.Phase != PhaseGuest || st.Activity <= first.Activity {
		t.Errorf("%+v after %+v", st, first)
	}
	if err := f.Truncate(0); err == nil {
		t.Error("the page can be taken away")
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{version, byte(KindDone), 0, '{', '}'})
	f.Add([]byte{version, byte(KindLog), flagSpilled})
	f.Fuzz(func(_ *testing.T, b []byte) {
		var m Message
		if m.parse(b) != nil {
			return
		}
		for _, v := range []any{&Setup{}, &Ready{}, &Decode{}, &Declare{}, &Open{}, &Opened{}, &Log{}, &Done{}, &Sniffed{}, &Compiled{}, &Vectors{}, &Golden{}, &Child{}, &ChildEnd{}} {
			_ = m.Decode(v)
		}
	})
}

func BenchmarkRoundTrip(b *testing.B) {
	parent, child := pair(b)
	go func() {
		for {
			m, err := child.Recv()
			if err != nil {
				return
			}
			var d Decode
			if m.Decode(&d) != nil || child.Send(KindDone, Done{Tables: make([]Counts, 6)}) != nil {
				return
			}
		}
	}()
	job := Decode{Size: 10000, SHA256: strings.Repeat("a", 64), Params: bytes.Repeat([]byte("1"), 10)}
	for b.Loop() {
		if err := parent.Send(KindDecode, job); err != nil {
			b.Fatal(err)
		}
		m, err := parent.Recv()
		if err != nil {
			b.Fatal(err)
		}
		var d Done
		if err := m.Decode(&d); err != nil {
			b.Fatal(err)
		}
	}
	_ = parent.Close()
}
