package runtime

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/archive"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

func gzipped(data string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, data)
	_ = w.Close()
	return b.Bytes()
}

// zipped makes an archive of name, content pairs.
func zipped(pairs ...string) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(pairs); i += 2 {
		f, _ := w.Create(pairs[i])
		_, _ = io.WriteString(f, pairs[i+1])
	}
	_ = w.Close()
	return b.Bytes()
}

func tempFile(tb testing.TB, data []byte) *os.File {
	tb.Helper()
	f, err := os.Create(filepath.Join(tb.TempDir(), "file"))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := f.Write(data); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = f.Close() })
	return f
}

// unpack unwraps bytes in a real worker.
func (r *rig) unpack(b []byte, heads int64) (Unpacked, *os.File) {
	r.t.Helper()
	out := tempFile(r.t, nil)
	u, err := r.pool.Unpack(r.t.Context(), UnpackRequest{Input: tempFile(r.t, b), Size: int64(len(b)), Output: out, Heads: heads})
	if err != nil {
		r.t.Fatal(err)
	}
	return u, out
}

func read(tb testing.TB, f *os.File) string {
	tb.Helper()
	b, err := os.ReadFile(f.Name())
	if err != nil {
		tb.Fatal(err)
	}
	return string(b)
}

func TestUnpackInAWorker(t *testing.T) {
	rec := &recorder{}
	r := newRig(t, func(c *Config) { c.Recorder = rec }, nil)
	text := strings.Repeat("0123456789", 10_000)
	u, out := r.unpack(gzipped(text), 0)
	if u.Wrapped != "gzip" || u.Bundle || u.Size != int64(len(text)) || read(t, out) != text {
		t.Errorf("%+v", u)
	}
	if u, out = r.unpack(gzipped(text), 100); u.Size != 100 || read(t, out) != text[:100] || len(u.Damage) > 0 {
		t.Errorf("head: %+v", u)
	}
	sum := sha256.Sum256([]byte(text))
	for _, heads := range []int64{0, 100} {
		u, out = r.unpack(zipped("a/b.bin", text, ".hidden", "x", "c", "short"), heads)
		kept := int64(len(text))
		if heads > 0 {
			kept = heads
		}
		want := []Entry{
			{Name: "a/b.bin", Size: int64(len(text)), SHA256: hex.EncodeToString(sum[:]), Kept: kept},
			{Name: "c", Size: 5, SHA256: u.Entries[1].SHA256, At: kept, Kept: 5},
		}
		if u.Wrapped != "zip" || !u.Bundle || u.Hidden != 1 || !slices.Equal(u.Entries, want) || read(t, out) != text[:kept]+"short" {
			t.Errorf("%+v", u)
		}
	}
	if u, out = r.unpack([]byte("PK is how it begins"), 0); u.Wrapped != "" || read(t, out) != "" {
		t.Errorf("not wrapped: %+v", u)
	}
	if u, _ = r.unpack(zipped("../a", "x"), 0); u.Refused == nil || u.Refused.Code != errcode.Unsupported || u.Wrapped != "zip" || u.Entries != nil {
		t.Errorf("refused: %+v", u)
	}
	if st := r.pool.Stats(); len(st.Workers) != 1 || st.Workers[0].Plugin != unpackID {
		t.Errorf("one worker after the other is enough for one file after the other: %+v", st.Workers)
	}
	if c := r.pool.Stats().Confinement; !c.NoNewPrivs || !c.Seccomp {
		t.Errorf("confinement %+v", c)
	}
	if got := rec.reasons(); got != "" {
		t.Errorf("workers ended: %s", got)
	}
}

func TestUnpackLimits(t *testing.T) {
	r := newRig(t, func(c *Config) {
		c.Limits.UnpackRatio, c.Limits.UnpackBase, c.Limits.UnpackEntries = 2, 1<<20, 3
	}, nil)
	for name, b := range map[string][]byte{
		"ratio": gzipped(strings.Repeat("0", 2<<20)), "entries": zipped("a", "", "b", "", "c", "", "d", ""),
	} {
		if u, _ := r.unpack(b, 0); u.Refused == nil || u.Refused.Code != errcode.OutputLimit {
			t.Errorf("%s: %+v", name, u)
		}
	}
	if u, _ := r.unpack(gzipped(strings.Repeat("0", 1<<20)), 0); u.Refused != nil {
		t.Errorf("within the base: %+v", u.Refused)
	}
}

// TestUnpackEnds covers the ends that are none of the file's.
func TestUnpackEnds(t *testing.T) {
	rec := &recorder{}
	r := newRig(t, func(c *Config) {
		c.Recorder = rec
		c.Limits.UnpackBase = 1 << 40
		c.Limits.Total, c.Limits.PerMB = 300*time.Millisecond, time.Nanosecond
	}, nil)
	long := tempFile(t, bytes.Repeat(gzipped(strings.Repeat("\x00", 1<<20)), 10_000)) // 10 GiB in as many members
	st, err := long.Stat()
	if err != nil {
		t.Fatal(err)
	}
	request := func() UnpackRequest {
		return UnpackRequest{Input: long, Size: st.Size(), Output: tempFile(t, nil)}
	}
	req := request()
	if u, err := r.pool.Unpack(t.Context(), req); err != nil || u.Refused == nil || u.Refused.Code != errcode.Deadline {
		t.Errorf("deadline: %+v %v", u, err)
	}
	req = request()
	req.Check = func() error { return errcode.New(errcode.DiskFull, "full") }
	if _, err := r.pool.Unpack(t.Context(), req); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("check: %v", err)
	}
	req = request()
	ctx, cancel := context.WithCancelCause(t.Context())
	mine := errors.New("mine")
	req.Progress = func(int64) { cancel(mine) }
	if _, err := r.pool.Unpack(ctx, req); !errors.Is(err, mine) {
		t.Errorf("cancel: %v", err)
	}
	small := gzipped("small")
	req = UnpackRequest{Input: tempFile(t, small), Size: int64(len(small)), Output: tempFile(t, nil), Check: func() error {
		return errcode.New(errcode.DiskFull, "full")
	}}
	if _, err := r.pool.Unpack(t.Context(), req); !errcode.Is(err, errcode.DiskFull) {
		t.Errorf("check at the end: %v", err)
	}
	if got := rec.reasons(); got != "deadline cancelled cancelled" {
		t.Errorf("workers ended: %s", got)
	}
}

func TestKilledUnpackWorker(t *testing.T) {
	k := &killer{role: "unpack"}
	r := newRig(t, func(c *Config) { c.Recorder = k }, nil)
	k.left.Store(1)
	b := gzipped("data")
	_, err := r.pool.Unpack(t.Context(), UnpackRequest{Input: tempFile(t, b), Size: int64(len(b)), Output: tempFile(t, nil)})
	if !errcode.Is(err, errcode.WorkerCrashed) {
		t.Errorf("%v", err)
	}
	if u, out := r.unpack(b, 0); u.Wrapped != "gzip" || read(t, out) != "data" {
		t.Errorf("the next one: %+v", u)
	}
}

// TestMaybeWrappedMissesNothing compares the guess of this process with what workers find.
func TestMaybeWrappedMissesNothing(t *testing.T) {
	for _, b := range [][]byte{
		gzipped("x"), zipped("a", "b"), zipped(),
		{0x28, 0xb5, 0x2f, 0xfd, 0},
		{0x5a, 0x2a, 0x4d, 0x18},
		tarBlock("1234"), tarBlock("x"),
		nil, []byte("text"), make([]byte, 600),
	} {
		if archive.Detect(b) != "" && !MaybeWrapped(b) {
			t.Errorf("%.20q is wrapped", b)
		}
	}
	for _, b := range [][]byte{nil, []byte("text"), make([]byte, 600), bytes.Repeat([]byte("text"), 200)} {
		if MaybeWrapped(b) {
			t.Errorf("%.20q", b)
		}
	}
}

func FuzzMaybeWrapped(f *testing.F) {
	f.Add(gzipped("x"))
	f.Add(tarBlock("name"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if archive.Detect(b) != "" && !MaybeWrapped(b) {
			t.Errorf("%q is wrapped", b)
		}
	})
}

// tarBlock is a tar header that has nothing but a name and a checksum.
func tarBlock(name string) []byte {
	b := make([]byte, 512)
	copy(b, name)
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], []byte{byte('0' + sum>>9&7), byte('0' + sum>>6&7), byte('0' + sum>>3&7), byte('0' + sum&7), 0})
	return b
}

// guests are decoders for bundles: "seq" takes files that begin with SEQ, ordered by their fourth byte; "one" takes files
// that begin with ONE, or are named .one or .dat; "two" those that begin with TWO.
func guests() map[string][]byte {
	guest := func(id, magic string, f abi.Format) []byte {
		g := runtimetest.Parts(id)
		g.Change(func(m *abi.Manifest) {
			f.ID, f.Sniff = id, []abi.Sniff{{Bytes: hex.EncodeToString([]byte(magic))}}
			m.Formats = []abi.Format{f}
		})
		return g.Wasm()
	}
	return map[string][]byte{
		"seq": guest("seq", "SEQ", abi.Format{Extensions: []string{".seq"}, Sequence: &abi.Sequence{At: 3, Length: 1}}),
		"one": guest("one", "ONE", abi.Format{Extensions: []string{".one", ".dat"}}),
		"two": guest("two", "TWO", abi.Format{}),
	}
}

func TestDecoderOfABundle(t *testing.T) {
	r := newRig(t, nil, guests())
	for _, tc := range []struct {
		name    string
		files   []string // name, content pairs
		decoder string   // "" = unknown, "!" = refused
		parts   string
		left    string
	}{
		{"files in their order", []string{"d/x.seq", "SEQ3", "README", "hi", "d/y.seq", "SEQ1", "z.seq", "SEQ2"}, "seq", "y.seq z.seq x.seq", "README"},
		{"a twin, a file that has only the name, an empty one", []string{"a.seq", "SEQ1", "b.seq", "SEQ1", "c.seq", "other", "e.seq", ""}, "seq", "a.seq", "b.seq c.seq e.seq"},
		{"two files that belong together", []string{"x.dat", "12345", "x.one", "ONE"}, "one", "x.dat x.one", ""},
		{"the name alone", []string{"x.dat", "12345", "notes", "n"}, "one", "x.dat", "notes"},
		{"a name of one's formats goes before another's content", []string{"x.dat", "TWO", "x.one", "ONE"}, "one", "x.dat x.one", ""},
		{"equal names in two folders", []string{"a/x.one", "ONE", "b/x.one", "12"}, "one", "a/x.one b/x.one", ""},
		{"nobody knows any", []string{"a", "1", "b", "2"}, "", "", ""},
		{"nothing", nil, "", "", ""},
		{"two decoders", []string{"a", "ONE", "b", "TWO"}, "!several kinds", "", ""},
		{"two recordings", []string{"a", "ONE1", "b", "ONE2"}, "!2 recordings", "", ""},
	} {
		u, out := r.unpack(zipped(tc.files...), 0)
		d, ok, err := r.pool.Recognise(t.Context(), &u, out, "x.zip", false)
		if want, refused := strings.CutPrefix(tc.decoder, "!"); refused {
			if !errcode.Is(err, errcode.Unsupported) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %+v %v", tc.name, d, err)
			}
			if _, ok, err := r.pool.Recognise(t.Context(), &u, out, "x.zip", true); strings.Contains(want, "recordings") && (err != nil || !ok) {
				t.Errorf("%s, together: %v", tc.name, err)
			}
			continue
		}
		if err != nil || ok != (tc.decoder != "") || d.Decoder != tc.decoder {
			t.Errorf("%s: %+v %v %v", tc.name, d, ok, err)
		}
		if !ok {
			continue
		}
		pl, _ := r.reg.Get(d.Decoder)
		p, err := r.pool.Prepare(&u, out, "x.zip", pl)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		var parts, left []string
		for i, part := range p.Parts {
			parts = append(parts, part.Name)
			e := u.Entries[slices.IndexFunc(u.Entries, func(e Entry) bool { return e.Name == p.Paths[i] })]
			if part.At != e.At || part.Size != e.Size || part.SHA256 != e.SHA256 {
				t.Errorf("%s: %+v is not %+v", tc.name, part, e)
			}
		}
		for _, n := range p.Notes {
			name, _, _ := strings.Cut(n.Message, ": ")
			left = append(left, name)
			if n.Severity != abi.Info || n.Code != "part_left_out" {
				t.Errorf("%s: %+v", tc.name, n)
			}
		}
		if strings.Join(parts, " ") != tc.parts || strings.Join(left, " ") != tc.left || p.Cut != nil {
			t.Errorf("%s: parts %v, left out %v, %+v", tc.name, parts, left, p.Cut)
		}
	}
}

// TestNamedDecoderGetsWhatNobodyKnows: a caller who names the decoder has the last word.
func TestNamedDecoderGetsWhatNobodyKnows(t *testing.T) {
	r := newRig(t, nil, guests())
	u, out := r.unpack(zipped("b", "1", "a", "2"), 0)
	pl, _ := r.reg.Get("one")
	p, err := r.pool.Prepare(&u, out, "x.zip", pl)
	if err != nil || len(p.Parts) != 2 || p.Parts[0].Name != "b" || p.Size != 2 || len(p.Notes) != 0 {
		t.Errorf("%+v %v", p, err)
	}
	if u, out = r.unpack(zipped("b", ""), 0); true {
		if _, err := r.pool.Prepare(&u, out, "x.zip", pl); !errcode.Is(err, errcode.Unsupported) {
			t.Errorf("nothing in it: %v", err)
		}
	}
}

// TestDecodeOfAnUnpackedBundle decodes entries in another order than they lie in, with what is wrong with the archive.
func TestDecodeOfAnUnpackedBundle(t *testing.T) {
	r := newRig(t, nil, guests())
	word := func(n byte) string { return "SEQ" + string([]byte{'0' + n}) + "\x00\x00\x00\x00" }
	b := zipped("b", word(2), "junk", "0123456789abcdef", "a", word(1), "c", word(3))
	at := bytes.LastIndex(b, []byte("PK\x05\x06"))
	dir := bytes.Index(b, []byte("PK\x01\x02"))
	for range 3 { // the checksum of the last one
		dir += 1 + bytes.Index(b[dir+1:at], []byte("PK\x01\x02"))
	}
	b[dir+16] ^= 1
	u, out := r.unpack(b, 0)
	pl, _ := r.reg.Get("seq")
	p, err := r.pool.Prepare(&u, out, "x.zip", pl)
	if err != nil || p.Cut == nil || p.Cut.Code != errcode.CorruptRecord || p.Cut.Offset == nil || *p.Cut.Offset != 24 {
		t.Fatalf("%+v %+v %v", p, p.Cut, err)
	}
	j := r.request("seq", nil)
	j.Input = out
	p.Fill(&j.Request)
	res := r.decode(j)
	var values []string
	for line := range strings.Lines(j.file("rows")) {
		values = append(values, strings.TrimSpace(line))
	}
	want := []string{`{"value":827409747}`, `{"value":844186963}`, `{"value":860964179}`} // SEQ1, SEQ2, SEQ3
	if !slices.Equal(values, want) || res.Status != Partial || res.BytesRead != 24 || res.Failure == nil || res.Failure.Code != errcode.CorruptRecord {
		t.Errorf("%v %+v", values, res)
	}
	if res.Issues != (IssueCounts{Infos: 1, Errors: 1}) {
		t.Errorf("%+v", res.Issues)
	}
	issues := j.file("issues")
	if !strings.Contains(issues, `"code":"part_left_out","message":"junk: `) || !strings.Contains(issues, `"offset":24,"severity":"error","code":"corrupt_record"`) {
		t.Errorf("%s", issues)
	}
}

// TestDamageOfAStream: what came before a cut is decoded.
func TestDamageOfAStream(t *testing.T) {
	r := newRig(t, nil, map[string][]byte{"lines": runtimetest.Lines("lines").Wasm()})
	var text strings.Builder
	for i := range 20_000 {
		text.WriteString(itoa(i * 7919))
	}
	whole := gzipped(text.String())
	u, out := r.unpack(whole[:len(whole)/2], 0)
	pl, _ := r.reg.Get("lines")
	p, err := r.pool.Prepare(&u, out, "run.lines.gz", pl)
	if err != nil || p.Name != "run.lines" || p.Size != u.Size || p.Parts != nil || p.Cut == nil || p.Cut.Code != errcode.Truncated || *p.Cut.Offset != u.Size {
		t.Fatalf("%+v %v", p, err)
	}
	j := r.request("lines", nil)
	j.Input = out
	p.Fill(&j.Request)
	if res := r.decode(j); res.Status != Partial || res.Rows == 0 || res.Failure.Code != errcode.Truncated || res.Issues.Errors != 1 {
		t.Errorf("%+v", res)
	}
	if got := j.file("issues"); !strings.Contains(got, `"severity":"fatal","code":"truncated"`) {
		t.Errorf("%s", got)
	}
	u, out = r.unpack(append(whole, "garbage"...), 0)
	if p, err = r.pool.Prepare(&u, out, "x", pl); err != nil || p.Cut != nil || len(p.Notes) != 1 || p.Notes[0].Severity != abi.Warning {
		t.Errorf("%+v %v", p, err)
	}
	u, out = r.unpack(whole[:15], 0)
	if _, err = r.pool.Prepare(&u, out, "x", pl); !errcode.Is(err, errcode.Truncated) {
		t.Errorf("nothing before the cut: %v", err)
	}
}
