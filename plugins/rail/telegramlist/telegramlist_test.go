package telegramlist_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/plugins/rail/telegramlist"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// result is what Next gives for a line.
type result struct {
	Offset int64
	What   string // "shaped long" …, or the code of the error
	Bits   string // hex
}

// read reads a whole list.
func read(t *testing.T, src io.Reader) []result {
	t.Helper()
	var out []result
	for r := telegramlist.NewReader(src); ; {
		e, err := r.Next()
		var bad *telegramlist.LineError
		switch {
		case errors.Is(err, io.EOF):
			return out
		case errors.As(err, &bad):
			out = append(out, result{bad.Offset, bad.Code, ""})
			if bad.Error() == "" {
				t.Error("an error without text")
			}
		case err != nil:
			t.Fatal(err)
		default:
			out = append(out, result{e.Offset, what(&e), hex.EncodeToString(e.Bits)})
		}
	}
}

func what(e *telegramlist.Entry) string {
	kind := map[telegramlist.Kind]string{telegramlist.Shaped: "shaped", telegramlist.User: "user"}[e.Kind]
	if e.Long {
		return kind + " long"
	}
	return kind + " short"
}

// telegram gives bytes that look like nothing else.
func telegram(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(0xc5 + 37*i)
	}
	return b
}

// TestForms has each form of a telegram, alone in a list and in surroundings that change nothing.
func TestForms(t *testing.T) {
	for n, want := range map[int]string{27: "user short", 43: "shaped short", 104: "user long", 128: "shaped long"} {
		b := telegram(n)
		digits := hex.EncodeToString(b)
		for name, text := range map[string]string{
			"lower": digits, "upper": strings.ToUpper(digits), "mixed": strings.ToUpper(digits[:9]) + digits[9:],
			"base64": base64.StdEncoding.EncodeToString(b), "raw base64": base64.RawStdEncoding.EncodeToString(b),
		} {
			for around, list := range map[string]string{
				"alone": "%s", "LF": "%s\n", "CRLF": "%s\r\n", "CR": "%s\r", "blanks": " \t%s \t\n", "columns": "%s;a;b\n", "empty column": "%s ;\n",
				"comment": "%s # a; b\n", "mark": "\xef\xbb\xbf%s\n", "before": "#\n%s\n", "mark before": "\xef\xbb\xbf# a\r\n;\r\n%s\r\n",
				"separators": ";;\n\n , \n%s", "long comment": "#" + strings.Repeat("a", 70_000) + "\n%s\n",
			} {
				list, at := fmt.Sprintf(list, text), int64(strings.Index(list, "%s"))
				if around == "mark" || around == "blanks" {
					at = 0 // where the line begins
				}
				if diff := cmp.Diff([]result{{at, want, digits}}, read(t, strings.NewReader(list))); diff != "" {
					t.Errorf("%d bytes, %s, %s: %s", n, name, around, diff)
				}
			}
		}
	}
}

func TestWhatIsWrongWithALine(t *testing.T) {
	digits := strings.Repeat("b4", 128)
	for text, want := range map[string]string{
		digits + "\tname":  `256 digits and then "\t" are neither hex nor base64: columns are separated by ;`,
		digits + ",name":   `256 digits and then "," are neither hex nor base64: columns are separated by ;`,
		"no telegram here": `"no telegram here" is neither hex nor base64`,
		"=b4":              `"=b4" is neither hex nor base64`,
	} {
		_, err := telegramlist.NewReader(strings.NewReader(text)).Next()
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func TestBadLines(t *testing.T) {
	const length, line = telegramlist.BadLength, telegramlist.BadLine
	good := hex.EncodeToString(telegram(27))
	for name, c := range map[string]struct{ text, code string }{
		"hex of no length":     {"00", length},
		"odd digits":           {good[3:], length},
		"a digit more":         {good + "0", length},
		"hex of base64 length": {good[:36], length},
		"base64 of no length":  {"QUJDRw==", length},
		"one letter":           {"x", line},
		"text":                 {"no telegram", line},
		"padding":              {base64.RawStdEncoding.EncodeToString(telegram(43)) + "=", line},
		"too much padding":     {base64.StdEncoding.EncodeToString(telegram(43)) + "====", line},
		"padding in between":   {"QUJ=RA==", line},
		"only padding":         {"==", line},
		"blank in between":     {good[:20] + " " + good[20:], line},
		"later mark":           {"\xef\xbb\xbf" + good, line},
		"first column empty":   {";" + good, line},
		"zero byte":            {good + "\x00", line},
		"not ASCII":            {strings.Repeat("é", 27), line},
		"url base64":           {strings.Repeat("-_zz", 9), line},
		"too long":             {strings.Repeat("0", 5000), line},
		"very long":            {strings.Repeat("0", 1_000_000), line},
		"long with columns":    {good + ";" + strings.Repeat("0", 5000), line},
	} {
		list := "# a\n" + c.text + "\n" + good + "\n"
		want := []result{{4, c.code, ""}, {int64(5 + len(c.text)), "user short", good}}
		if diff := cmp.Diff(want, read(t, strings.NewReader(list))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(want[:1], read(t, strings.NewReader("# a\n"+c.text))); diff != "" {
			t.Errorf("%s, without an end: %s", name, diff)
		}
	}
}

// TestLongestLine is about where a line becomes too long.
func TestLongestLine(t *testing.T) {
	good := hex.EncodeToString(telegram(27))
	for n := 4090; n < 4103; n++ {
		for _, end := range []string{"", "\n", "\r\n"} {
			list := good + ";" + strings.Repeat("a", n-len(good)-1) + end
			want := result{0, "user short", good}
			if n > 4096 {
				want = result{0, telegramlist.BadLine, ""}
			}
			if diff := cmp.Diff([]result{want}, read(t, strings.NewReader(list))); diff != "" {
				t.Errorf("%d bytes, end %q: %s", n, end, diff)
			}
		}
	}
}

// stuck gives neither bytes nor an error.
type stuck struct{}

func (stuck) Read([]byte) (int, error) { return 0, nil }

func TestSourceErrors(t *testing.T) {
	good := hex.EncodeToString(telegram(27))
	broken := errors.New("broken")
	r := telegramlist.NewReader(io.MultiReader(strings.NewReader(good+"\n"+good), iotest.ErrReader(broken)))
	if e, err := r.Next(); err != nil || e.Offset != 0 {
		t.Fatalf("%+v %v", e, err)
	}
	for range 2 {
		if e, err := r.Next(); !errors.Is(err, broken) {
			t.Errorf("%+v %v, want the source's error and no half line", e, err)
		}
	}
	if _, err := telegramlist.NewReader(stuck{}).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
	r = telegramlist.NewReader(io.MultiReader(strings.NewReader(strings.Repeat("0", 9000)), iotest.ErrReader(broken)))
	if _, err := r.Next(); !errors.Is(err, broken) {
		t.Error(err)
	}
}

func TestReadingDoesNotAllocate(t *testing.T) {
	line := hex.EncodeToString(telegram(128)) + "\n" + base64.StdEncoding.EncodeToString(telegram(43)) + "\n"
	r := telegramlist.NewReader(strings.NewReader(strings.Repeat(line, 300)))
	if n := testing.AllocsPerRun(500, func() {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a telegram", n)
	}
}

// rule gives SniffRule as the host runs it.
func rule(tb testing.TB) *module.Rule {
	tb.Helper()
	b, err := json.Marshal(abi.Manifest{
		ID: "list", Name: "list", Version: "1.0.0", ABI: abi.Version,
		Formats: []abi.Format{{ID: "list", Sniff: []abi.Sniff{telegramlist.SniffRule()}}},
		Tables:  []abi.Table{{Name: "t", Columns: []abi.Column{{Name: "a", Type: abi.TypeI8}}}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	m, err := module.ParseManifest(b)
	if err != nil {
		tb.Fatal(err)
	}
	return &m.Rules[0][0]
}

func TestSniff(t *testing.T) {
	r := rule(t)
	for n := range 300 {
		b := telegram(n)
		known := n == 27 || n == 43 || n == 104 || n == 128
		for _, text := range []string{
			hex.EncodeToString(b), base64.StdEncoding.EncodeToString(b), base64.RawStdEncoding.EncodeToString(b),
		} {
			for _, list := range []string{"%s", "# a\r\n\r\n;\r\n %s ;b\r\n"} {
				head := []byte(fmt.Sprintf(list, text))
				if got := telegramlist.Sniff(head) > 0; got != known {
					t.Errorf("Sniff %q: %v, want %v", head, got, known)
				}
				if cut := len(text) == 36 || len(text) == 58; cut && !known {
					continue // see SniffRule
				}
				if got := r.Match(head, int64(len(head))) > 0; got != known {
					t.Errorf("rule on %q: %v, want %v", head, got, known)
				}
			}
		}
	}
	for _, other := range []string{"", "#", "# a\n;\n", "a,b\n1,2\n", "x\n" + hex.EncodeToString(telegram(27)) + "\n"} {
		if telegramlist.Sniff([]byte(other)) > 0 || r.Match([]byte(other), int64(len(other))) > 0 {
			t.Errorf("%q is taken for a list", other)
		}
	}
}

// FuzzReader reads any bytes: entries in their order, with lengths that fit, the same however the source gives its
// bytes; and what Sniff takes for a list, the host's rule takes for one.
func FuzzReader(f *testing.F) {
	for _, n := range []int{27, 43, 104, 128} {
		f.Add([]byte("\xef\xbb\xbf# a\r\n; # b\n" + hex.EncodeToString(telegram(n)) + ";\r" + base64.StdEncoding.EncodeToString(telegram(n)) + " #"))
	}
	f.Add([]byte("#" + strings.Repeat("a", 4100) + "\n" + strings.Repeat("a", 4100) + "\r\n00"))
	r := rule(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		got := read(t, bytes.NewReader(b))
		last := int64(-1)
		for _, e := range got {
			if e.Offset <= last || e.Offset >= int64(len(b)) {
				t.Fatalf("offset %d after %d, of %d bytes", e.Offset, last, len(b))
			}
			last = e.Offset
			want := map[string]int{
				"user short": 27, "user long": 104, "shaped short": 43, "shaped long": 128, telegramlist.BadLength: 0, telegramlist.BadLine: 0,
			}
			if n, ok := want[e.What]; !ok || len(e.Bits) != 2*n {
				t.Fatalf("%+v", e)
			}
		}
		if diff := cmp.Diff(got, read(t, iotest.OneByteReader(bytes.NewReader(b)))); diff != "" {
			t.Fatal("read a byte at a time: ", diff)
		}
		if head := b[:min(len(b), abi.SniffHead)]; telegramlist.Sniff(head) > 0 && r.Match(head, int64(len(b))) == 0 {
			t.Fatalf("%q is a list, but the rule does not say so", head)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	list := []byte(strings.Repeat(hex.EncodeToString(telegram(128))+"\n", 1000))
	b.SetBytes(int64(len(list)))
	for b.Loop() {
		r := telegramlist.NewReader(bytes.NewReader(list))
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
