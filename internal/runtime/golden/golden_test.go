package golden

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestDocument(t *testing.T) {
	at := int64(480)
	var b bytes.Buffer
	err := Write(&b, []Table{
		{Name: "records", Rows: strings.NewReader("{\"seq\":1}\n{\"seq\":2}\n")},
		{Name: "events"},
		{Name: "empty", Rows: strings.NewReader("")},
		{Name: "issues", Rows: iotest.OneByteReader(strings.NewReader("{\"seq\":1,\"code\":\"x\"}\n"))},
	}, &End{Code: "truncated", Offset: &at})
	if err != nil {
		t.Fatal(err)
	}
	want := `{"table":"records","row":{"seq":1}}
{"table":"records","row":{"seq":2}}
{"table":"issues","row":{"seq":1,"code":"x"}}
{"rows":{"records":2,"issues":1},"error":{"code":"truncated","offset":480}}
`
	if d := Diff([]byte(want), b.Bytes()); d != "" {
		t.Error(d)
	}
	b.Reset()
	if err := Write(&b, nil, nil); err != nil || b.String() != "{\"rows\":{},\"error\":null}\n" {
		t.Errorf("%v: %s", err, b.String())
	}
}

func TestFailingReadersAndWriters(t *testing.T) {
	bad := errors.New("bad")
	if err := Write(io.Discard, []Table{{Name: "a", Rows: iotest.ErrReader(bad)}}, nil); !errors.Is(err, bad) {
		t.Errorf("reader: %v", err)
	}
	r, w := io.Pipe()
	_ = r.CloseWithError(bad)
	if err := Write(w, nil, nil); !errors.Is(err, bad) {
		t.Errorf("writer: %v", err)
	}
}

func TestDiff(t *testing.T) {
	for name, c := range map[string]struct{ want, got, says string }{
		"same":      {"a\nb\n", "a\nb\n", ""},
		"other":     {"a\nb\n", "a\nc\n", "line 2:\n  expected b\n  there is c"},
		"shorter":   {"a\nb\n", "a\n", "line 2: missing: b"},
		"longer":    {"a\n", "a\nb\n", "line 2: nothing was expected, there is b"},
		"unended":   {"a\n", "a", "line 1: only one"},
		"long line": {strings.Repeat("x", 2000) + "\n", "y\n", "xxx…"},
	} {
		got := Diff([]byte(c.want), []byte(c.got))
		if (got == "") != (c.says == "") || !strings.Contains(got, c.says) {
			t.Errorf("%s: %q", name, got)
		}
	}
	if Hash(nil) != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Error("hash")
	}
}
