package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
)

var limits = Limits{Ratio: 200, Base: 1 << 20, Entries: 100}

// entry is a file in an archive.
type entry struct {
	Name string
	Data string
}

// collector keeps what is unpacked. The entry of a stream has no name.
type collector struct {
	entries []entry
	stopAt  int // bytes after which it has enough, 0 = never
	err     error
	total   int
}

func (c *collector) Begin(name string) error {
	c.entries = append(c.entries, entry{Name: name})
	return nil
}

func (c *collector) Write(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if len(c.entries) == 0 {
		c.entries = append(c.entries, entry{})
	}
	c.entries[len(c.entries)-1].Data += string(p)
	c.total += len(p)
	if c.stopAt > 0 && c.total >= c.stopAt {
		return len(p), ErrStop
	}
	return len(p), nil
}

func unpack(b []byte) ([]entry, Result, error) {
	var c collector
	res, err := Unpack(bytes.NewReader(b), int64(len(b)), limits, &c)
	return c.entries, res, err
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func gzipped(data string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(data)))
	must(0, w.Close())
	return b.Bytes()
}

func zstded(data string) []byte {
	w := must(zstd.NewWriter(nil, zstd.WithEncoderCRC(true)))
	defer w.Close()
	return w.EncodeAll([]byte(data), nil)
}

func zipped(entries ...entry) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, e := range entries {
		h := &zip.FileHeader{Name: e.Name, Method: zip.Deflate}
		if i%2 == 1 {
			h.Method = zip.Store
		}
		must(must(w.CreateHeader(h)).Write([]byte(e.Data)))
	}
	must(0, w.Close())
	return b.Bytes()
}

// rawZip writes headers as they are given.
func rawZip(files ...*zip.FileHeader) []byte {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, h := range files {
		must(must(w.CreateRaw(h)).Write(bytes.Repeat([]byte{0}, int(h.CompressedSize64))))
	}
	must(0, w.Close())
	return b.Bytes()
}

func tarred(entries ...entry) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		must(0, w.WriteHeader(&tar.Header{Name: e.Name, Size: int64(len(e.Data)), Mode: 0o600, Typeflag: tar.TypeReg}))
		must(w.Write([]byte(e.Data)))
	}
	must(0, w.Close())
	return b.Bytes()
}

func headers(hs ...tar.Header) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := range hs {
		must(0, w.WriteHeader(&hs[i]))
	}
	must(0, w.Close())
	return b.Bytes()
}

// wrappers are all ways to wrap files, each by a writer that is not ours.
var wrappers = map[string]func(...entry) []byte{
	"zip":     zipped,
	"tar":     tarred,
	"tar.gz":  func(e ...entry) []byte { return gzipped(string(tarred(e...))) },
	"tar.zst": func(e ...entry) []byte { return zstded(string(tarred(e...))) },
}

func TestArchivesGiveBackWhatWasPacked(t *testing.T) {
	for kind, wrap := range wrappers {
		t.Run(kind, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				var want []entry
				seen := map[string]bool{}
				for range rapid.IntRange(0, 8).Draw(t, "files") {
					name := rapid.StringMatching(`([a-zA-Z0-9äß_-]{1,20}/){0,3}[a-zA-Z0-9ü+ -]{1,30}\.[a-z]{1,3}`).Draw(t, "name")
					if !seen[name] {
						seen[name] = true
						want = append(want, entry{name, strings.Repeat(rapid.StringN(0, 50, 500).Draw(t, "data"), rapid.IntRange(1, 200).Draw(t, "times"))})
					}
				}
				if kind != "zip" && len(want) == 0 {
					return // a tar archive of nothing is zeros, which nobody can tell from other zeros
				}
				got, res, err := unpack(wrap(want...))
				if err != nil || len(res.Damage) > 0 || !res.Bundle() {
					t.Fatalf("%+v, %v", res, err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatal(d)
				}
			})
		})
	}
}

func TestStreamsGiveBackWhatWasPacked(t *testing.T) {
	for kind, wrap := range map[Kind]func(string) []byte{Gzip: gzipped, Zstd: zstded} {
		rapid.Check(t, func(t *rapid.T) {
			data := strings.Repeat(rapid.StringN(1, 50, 500).Draw(t, "data"), rapid.IntRange(1, 500).Draw(t, "times"))
			got, res, err := unpack(wrap(data))
			if err != nil || res.Kind != kind || res.Bundle() || len(res.Damage) > 0 || got[0].Data != data {
				t.Fatalf("%+v, %v", res, err)
			}
		})
	}
}

func TestStreamsOfSeveralPieces(t *testing.T) {
	for name, b := range map[string][]byte{
		"gzip members":    append(gzipped("one "), gzipped("two")...),
		"an empty member": append(append(gzipped(""), gzipped("one ")...), gzipped("two")...),
		"zero padding":    append(gzipped("one two"), make([]byte, 700)...),
		"zstd frames":     append(zstded("one "), zstded("two")...),
		"skippable frame": append([]byte("\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"), zstded("one two")...),
	} {
		got, res, err := unpack(b)
		if err != nil || len(res.Damage) > 0 || len(got) != 1 || got[0].Data != "one two" {
			t.Errorf("%s: %v %+v %v", name, got, res, err)
		}
	}
	for name, b := range map[string][]byte{
		"gzip": append(gzipped("one two"), "garbage"...), "zstd": append(zstded("one two"), "garbage"...),
	} {
		got, res, err := unpack(b)
		if err != nil || len(res.Damage) != 1 || !res.Damage[0].Ignored || got[0].Data != "one two" {
			t.Errorf("garbage after %s: %v %+v %v", name, got, res, err)
		}
	}
}

// noise is text that hardly compresses, another one for each length.
func noise(n int) string {
	var b strings.Builder
	for x := uint64(88172645463325252) + uint64(n); b.Len() < n; {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		fmt.Fprintf(&b, "%x", x)
	}
	return b.String()[:n]
}

// TestCutStreamsKeepWhatCameBefore cuts at every place near both ends and some between.
func TestCutStreamsKeepWhatCameBefore(t *testing.T) {
	data := noise(300_000)
	for name, whole := range map[string][]byte{"gzip": gzipped(data), "zstd": zstded(data)} {
		for n := 20; n < len(whole); n++ {
			if n > 200 && n < len(whole)-20 {
				n += 9973
			}
			n = min(n, len(whole)-1)
			got, res, err := unpack(whole[:n])
			if err != nil || len(res.Damage) != 1 || res.Damage[0].Code != errcode.Truncated || res.Damage[0].Ignored {
				t.Fatalf("%s cut at %d of %d: %+v %v", name, n, len(whole), res, err)
			}
			if len(got) > 0 && !strings.HasPrefix(data, got[0].Data) {
				t.Fatalf("%s cut at %d: other bytes than were packed", name, n)
			}
			if n > len(whole)/2 && (len(got) == 0 || len(got[0].Data) < len(data)/4) {
				t.Fatalf("%s cut at %d: hardly anything is left", name, n)
			}
			if len(got) > 0 && res.Damage[0].At != int64(len(got[0].Data)) {
				t.Fatalf("damage at %d after %d bytes", res.Damage[0].At, len(got[0].Data))
			}
		}
	}
}

func TestDamagedStreams(t *testing.T) {
	data := noise(300_000)
	for name, whole := range map[string][]byte{"gzip": gzipped(data), "zstd": zstded(data)} {
		b := bytes.Clone(whole)
		b[len(b)-2] ^= 1 // gzip: the length, zstd: the checksum
		got, res, err := unpack(b)
		if err != nil || len(res.Damage) != 1 || res.Damage[0].Code != errcode.CorruptRecord || len(got[0].Data) < len(data)-200_000 {
			t.Errorf("%s with a wrong sum: %+v %v", name, res, err)
		}
	}
}

func TestCutArchivesKeepWholeEntries(t *testing.T) {
	want := []entry{{"a.bin", noise(5000)}, {"b.bin", noise(7000)}, {"c.bin", noise(9000)}}
	whole := tarred(want...)
	for _, b := range [][]byte{whole[:512+5120+512+3000], gzipped(string(whole))[:9000]} {
		got, res, err := unpack(b)
		if err != nil || len(res.Damage) != 1 || res.Damage[0].Code != errcode.Truncated || len(got) < 2 || got[0] != want[0] {
			t.Errorf("%d entries, %+v %v", len(got), res, err)
		}
	}
	tgz := gzipped(string(whole))
	if got, res, err := unpack(tgz[:len(tgz)-2]); err != nil || len(got) != 3 || len(res.Damage) != 1 || res.Damage[0].Code != errcode.Truncated {
		t.Errorf("cut behind the last entry: %+v %v", res, err)
	}
	zip := zipped(want...)
	if _, _, err := unpack(zip[:len(zip)-30]); !errcode.Is(err, errcode.Truncated) {
		t.Errorf("cut zip: %v", err)
	}
	at := bytes.Index(zip, []byte("b.bin")) + 1000 // stored
	zip[at] ^= 1
	got, res, err := unpack(zip)
	if err != nil || len(got) != 3 || got[2] != want[2] || len(res.Damage) != 1 || res.Damage[0].Code != errcode.CorruptRecord {
		t.Errorf("damaged entry: %d entries, %+v %v", len(got), res, err)
	}
	if !strings.Contains(res.Damage[0].Text, `"b.bin"`) || res.Damage[0].At != 12000 {
		t.Errorf("%+v", res.Damage)
	}
}

func TestHiddenFilesArePassedOver(t *testing.T) {
	files := []entry{
		{"__MACOSX/._a", "x"}, {".DS_Store", "x"}, {"dir/.hidden/b", "x"}, {"Thumbs.db", "x"}, {"d/Desktop.ini", "x"}, {"a", "data"},
	}
	for kind, wrap := range wrappers {
		got, res, err := unpack(wrap(files...))
		if err != nil || len(got) != 1 || got[0] != (entry{"a", "data"}) || res.Hidden != 5 {
			t.Errorf("%s: %v %+v %v", kind, got, res, err)
		}
	}
}

func TestNamesThatAreRefused(t *testing.T) {
	for _, name := range []string{
		"../a", "a/../../b", "..", "a/..", "/etc/passwd", `a\b`, `..\a`, "C:/a", "c:a", "a\x00b", "a\nb", "a\x7f", "\xff\xfe",
		strings.Repeat("a", 256), strings.Repeat("abc/", 300) + "a", "",
	} {
		if got, err := CleanName(name); !errcode.Is(err, errcode.Unsupported) {
			t.Errorf("%q gives %q, %v", name, got, err)
		}
	}
	for in, want := range map[string]string{"a": "a", "./a//b/./c": "a/b/c", "a..b/..c": "a..b/..c", "ä:b": "ä:b", "日本/語": "日本/語"} {
		if got, err := CleanName(in); got != want || err != nil {
			t.Errorf("%q gives %q, %v", in, got, err)
		}
	}
	for kind, wrap := range wrappers {
		for _, files := range [][]entry{{{"good", "x"}, {"../bad", "x"}}, {{"/bad", "x"}}, {{"a", "x"}, {"./a", "y"}}} {
			if _, _, err := unpack(wrap(files...)); !errcode.Is(err, errcode.Unsupported) {
				t.Errorf("%s of %v: %v", kind, files, err)
			}
		}
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	link := func(mode os.FileMode) *zip.FileHeader {
		h := &zip.FileHeader{Name: "bad"}
		h.SetMode(mode)
		return h
	}
	for name, b := range map[string][]byte{
		"symlink":        headers(tar.Header{Name: "bad", Typeflag: tar.TypeSymlink, Linkname: "/etc"}),
		"hard link":      headers(tar.Header{Name: "bad", Typeflag: tar.TypeLink, Linkname: "a"}),
		"device":         headers(tar.Header{Name: "bad", Typeflag: tar.TypeChar}),
		"fifo":           headers(tar.Header{Name: "bad", Typeflag: tar.TypeFifo}),
		"folder outside": headers(tar.Header{Name: "../bad/", Typeflag: tar.TypeDir}),
		"zip symlink":    rawZip(link(os.ModeSymlink | 0o777)),
		"zip device":     rawZip(link(os.ModeDevice | 0o600)),
		"encrypted":      rawZip(&zip.FileHeader{Name: "bad", Flags: 1}),
		"method":         rawZip(&zip.FileHeader{Name: "bad", Method: 12}),
		"zip folder":     zipped(entry{"../bad/", ""}),
	} {
		_, _, err := unpack(b)
		if !errcode.Is(err, errcode.Unsupported) || !strings.Contains(err.Error(), "bad") {
			t.Errorf("%s: %v", name, err)
		}
	}
	sparse := headers(tar.Header{
		Name: "a", Typeflag: tar.TypeReg, Format: tar.FormatPAX, PAXRecords: map[string]string{"comment": "GNU"},
	})
	for _, b := range [][]byte{sparse, bytes.Replace(gnuSparse(), []byte("x"), []byte("y"), 1)} {
		if _, _, err := unpack(b); bytes.Equal(b, sparse) == (err != nil) {
			t.Errorf("sparse: %v", err)
		}
	}
	good := headers(
		tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "dir/", Typeflag: tar.TypeDir},
		tar.Header{Name: "dir/a", Typeflag: tar.TypeReg, ModTime: time.Unix(1, 5), Format: tar.FormatPAX},
		tar.Header{Name: strings.Repeat("long/", 40) + "b", Typeflag: tar.TypeReg, Format: tar.FormatGNU},
	)
	if got, res, err := unpack(good); err != nil || len(got) != 2 || len(res.Damage) > 0 {
		t.Errorf("%v %+v %v", got, res, err)
	}
}

// gnuSparse is a tar archive with one file of the old GNU sparse type and an empty map.
func gnuSparse() []byte {
	b := headers(tar.Header{Name: "x", Typeflag: tar.TypeReg, Format: tar.FormatGNU})
	b[156] = tar.TypeGNUSparse
	for i := range 8 {
		b[148+i] = ' '
	}
	sum := 0
	for _, c := range b[:512] {
		sum += int(c)
	}
	sum += 'y' - 'x' // the caller changes the name
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func TestBombsAreRefused(t *testing.T) {
	zeros := strings.Repeat("\x00", 40<<20)
	for name, b := range map[string][]byte{
		"gzip": gzipped(zeros), "zstd": zstded(zeros), "zip": zipped(entry{"a", zeros}),
		"tgz": gzipped(string(tarred(entry{"a", zeros}))), "hidden": zipped(entry{".a", zeros}),
		"gzip within gzip is one step": gzipped(string(gzipped(zeros))),
	} {
		got, res, err := unpack(b)
		if name == "gzip within gzip is one step" {
			if err != nil || res.Kind != Gzip || Detect([]byte(got[0].Data)) != Gzip {
				t.Errorf("%s: %+v %v", name, res, err)
			}
			continue
		}
		if !errcode.Is(err, errcode.OutputLimit) {
			t.Errorf("%s: %+v %v", name, res, err)
		}
		total := 0
		for _, e := range got {
			total += len(e.Data)
		}
		if int64(total) > limits.Base+limits.Ratio*int64(len(b)) {
			t.Errorf("%s: %d bytes were unpacked", name, total)
		}
	}
	var many []entry
	for i := range limits.Entries + 1 {
		many = append(many, entry{fmt.Sprint(i), ""})
	}
	for kind, wrap := range wrappers {
		if _, _, err := unpack(wrap(many...)); !errcode.Is(err, errcode.OutputLimit) {
			t.Errorf("%s of many: %v", kind, err)
		}
		if _, _, err := unpack(wrap(many[1:]...)); err != nil {
			t.Errorf("%s of as many as there may be: %v", kind, err)
		}
	}
}

// TestEntriesThatShareBytesAreRefused makes a second directory entry for the bytes of the first one.
func TestEntriesThatShareBytesAreRefused(t *testing.T) {
	b := zipped(entry{"a", "data"})
	dir := bytes.Index(b, []byte("PK\x01\x02"))
	end := bytes.Index(b, []byte("PK\x05\x06"))
	two := append(bytes.Clone(b[:end]), b[dir:end]...)
	two[end+46] = 'b'
	two[7+0] = b[7]
	tail := bytes.Clone(b[end:])
	tail[8], tail[10] = 2, 2
	tail[12] = byte(2 * (end - dir))
	two = append(two, tail...)
	two[30] = 'a'
	_, _, err := unpack(two)
	if !errcode.Is(err, errcode.CorruptRecord) { // the local name differs, or the bytes are shared
		t.Errorf("%v", err)
	}
	shared := []zipEntry{{name: "a", header: 0, data: 31, packed: 100}, {name: "b", header: 50, data: 81, packed: 10}}
	if err := checkOverlap(shared); !errcode.Is(err, errcode.CorruptRecord) || !strings.Contains(err.Error(), "share bytes") {
		t.Errorf("%v", err)
	}
	shared[1].header, shared[1].data = 131, 170
	if err := checkOverlap(shared); err != nil {
		t.Errorf("%v", err)
	}
}

func TestZipsThatLie(t *testing.T) {
	good := zipped(entry{"name.bin", strings.Repeat("data ", 1000)}, entry{"second", "stored"})
	dir := bytes.Index(good, []byte("PK\x01\x02"))
	end := bytes.LastIndex(good, []byte("PK\x05\x06"))
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for name, b := range map[string][]byte{
		"directory outside":  change(end+16, 0xff, 0xff, 0xff, 0x7f),
		"directory too long": change(end+12, 0xff, 0xff, 0xff, 0x7f),
		"fewer entries":      change(end+10, 1),
		"more entries":       change(end+10, 3),
		"header outside":     change(dir+42, 0xff, 0xff, 0xff, 0x7f),
		"no header there":    change(dir+42, 5),
		"packed size":        change(dir+20, 0xff, 0xff, 0xff, 0x7f),
		"other local name":   change(30, 'X'),
		"other local method": change(8, 0),
		"zip64 nowhere":      change(dir+24, 0xff, 0xff, 0xff, 0xff),
	} {
		_, res, err := unpack(b)
		damaged := len(res.Damage) == 1 && res.Damage[0].Code == errcode.CorruptRecord
		if !errcode.Is(err, errcode.CorruptRecord) && !damaged {
			t.Errorf("%s: %+v %v", name, res, err)
		}
	}
	for name, b := range map[string][]byte{"too long": change(dir+24, 0x10), "too short": change(dir+24, 0xff), "sum": change(dir+16, 1, 2, 3, 4)} {
		got, res, err := unpack(b)
		if err != nil || len(res.Damage) != 1 || len(got) != 2 || got[1].Data != "stored" {
			t.Errorf("%s: %+v %v", name, res, err)
		}
	}
}

func TestZipsOfOtherWriters(t *testing.T) {
	comment := zipped(entry{"a", "data"})
	comment = append(comment[:len(comment)-2], 5, 0, 'h', 'e', 'l', 'l', 'o')
	large := &bytes.Buffer{} // a writer that does not know sizes, with zip64 numbers
	w := zip.NewWriter(large)
	w.SetOffset(0)
	must(must(w.CreateHeader(&zip.FileHeader{Name: "a", Method: zip.Store, Extra: []byte{1, 0, 0, 0}})).Write([]byte("data")))
	must(0, w.Close())
	german := rawZip(&zip.FileHeader{Name: "Pr\x81fung", NonUTF8: true})
	for name, b := range map[string][]byte{"comment": comment, "descriptor": large.Bytes(), "garbage": append(zipped(entry{"a", "data"}), "xx"...)} {
		if got, res, err := unpack(b); err != nil && name != "garbage" || len(got) > 0 && got[0].Data != "data" || len(res.Damage) > 0 {
			t.Errorf("%s: %v %+v %v", name, got, res, err)
		}
	}
	if got, _, err := unpack(german); err != nil || got[0].Name != "Prüfung" {
		t.Errorf("code page 437: %v %v", got, err)
	}
}

// TestZip64 writes the records of an archive of more than 65,535 files, which is refused for their number alone.
func TestZip64(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	const files = 66_000
	for i := range files {
		must(w.CreateHeader(&zip.FileHeader{Name: fmt.Sprint(i), Method: zip.Store}))
	}
	must(0, w.Close())
	var c collector
	if _, err := Unpack(bytes.NewReader(b.Bytes()), int64(b.Len()), Limits{Ratio: 1, Base: 1, Entries: files}, &c); err != nil || len(c.entries) != files {
		t.Errorf("%d entries, %v", len(c.entries), err)
	}
	if _, _, err := unpack(b.Bytes()); !errcode.Is(err, errcode.OutputLimit) {
		t.Errorf("%v", err)
	}
}

func TestDetect(t *testing.T) {
	v7 := tarred(entry{"old", "data"})
	copy(v7[257:], make([]byte, 255))
	for i := range 8 {
		v7[148+i] = ' '
	}
	sum := 0
	for _, c := range v7[:512] {
		sum += int(c)
	}
	copy(v7[148:], fmt.Sprintf("%6o\x00 ", sum))
	for name, tc := range map[string]struct {
		b    []byte
		kind Kind
	}{
		"empty": {nil, ""}, "text": {[]byte("hello"), ""}, "zeros": {make([]byte, 2048), ""}, "other gzip method": {[]byte{0x1f, 0x8b, 7}, ""},
		"gzip": {gzipped("a"), Gzip}, "zstd": {zstded("a"), Zstd}, "zip": {zipped(entry{"a", "b"}), Zip}, "empty zip": {zipped(), Zip},
		"tar": {tarred(entry{"a", "b"}), Tar}, "old tar": {v7, Tar}, "tgz is gzip first": {wrappers["tar.gz"](entry{"a", "b"}), Gzip},
	} {
		if got := Detect(tc.b); got != tc.kind {
			t.Errorf("%s: %q", name, got)
		}
	}
	if got, res, err := unpack(v7); err != nil || len(got) != 1 || got[0] != (entry{"old", "data"}) {
		t.Errorf("old tar: %v %+v %v", got, res, err)
	}
	if got, res, err := unpack([]byte("hello")); err != nil || res.Kind != "" || got != nil {
		t.Errorf("text: %v %+v %v", got, res, err)
	}
}

func TestSinkEndsIt(t *testing.T) {
	mine := errors.New("mine")
	for kind, wrap := range wrappers {
		b := wrap(entry{"a", noise(300_000)}, entry{"b", noise(300_000)})
		c := collector{stopAt: 1000}
		res, err := Unpack(bytes.NewReader(b), int64(len(b)), limits, &c)
		if err != nil || !res.Stopped || len(c.entries) != 1 || len(res.Damage) > 0 {
			t.Errorf("%s: %+v %v", kind, res, err)
		}
		c = collector{err: mine}
		if _, err = Unpack(bytes.NewReader(b), int64(len(b)), limits, &c); !errors.Is(err, mine) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// broken is an input that cannot be read.
type broken struct{ b []byte }

func (r broken) ReadAt(p []byte, off int64) (int, error) {
	n, _ := bytes.NewReader(r.b).ReadAt(p[:min(len(p), 600)], off)
	if n == len(p) {
		return n, nil
	}
	return n, os.ErrDeadlineExceeded
}

func TestInputThatCannotBeReadIsNoDamage(t *testing.T) {
	for kind, wrap := range wrappers {
		b := wrap(entry{"a", noise(300_000)})
		if _, err := Unpack(broken{b}, int64(len(b)), limits, &collector{}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestFlateOfZipIsBounded(t *testing.T) {
	var b bytes.Buffer
	f := must(flate.NewWriter(&b, 9))
	must(f.Write(bytes.Repeat([]byte{1}, 1<<20)))
	must(0, f.Close())
	h := &zip.FileHeader{Name: "a", Method: zip.Deflate, CompressedSize64: uint64(b.Len()), UncompressedSize64: 10}
	var z bytes.Buffer
	w := zip.NewWriter(&z)
	must(must(w.CreateRaw(h)).Write(b.Bytes()))
	must(0, w.Close())
	got, res, err := unpack(z.Bytes())
	if err != nil || len(res.Damage) != 1 || len(got[0].Data) > 11 {
		t.Errorf("%d bytes, %+v %v", len(got[0].Data), res, err)
	}
}

var _ io.Reader = (*gzipReader)(nil)
