package observe

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fill logs lines of about a kilobyte, numbered from first.
func fill(t *testing.T, l *Logs, first, n int) {
	t.Helper()
	log, pad := l.Logger("api"), strings.Repeat("x ", 500)
	for i := range n {
		log.InfoContext(t.Context(), "line", "n", first+i, "pad", pad)
	}
}

// numbers gives those of a file's lines, which may be compressed.
func numbers(t *testing.T, path string) (list []int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var r io.Reader = bytes.NewReader(b)
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(r); err != nil {
			t.Fatal(err)
		}
	}
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		var line struct {
			N int `json:"n"`
		}
		if err := json.Unmarshal(sc.Bytes(), &line); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		list = append(list, line.N)
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

func TestLargeFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "wayside.log")
	var said bytes.Buffer
	cfg := LogConfig{Output: path, MaxSize: 1 << 20, Keep: 2, Stderr: &said}
	const n = 5000
	for from := 0; from < n; from += n / 2 { // a restart goes on with the file
		l, err := OpenLogs(cfg)
		if err != nil {
			t.Fatal(err)
		}
		fill(t, l, from, n/2)
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != cfg.Keep {
		t.Errorf("%d files are kept: %v", len(files), files)
	}
	var all []int
	for _, f := range append(files, path) {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > cfg.MaxSize || info.Mode().Perm() != logMode {
			t.Errorf("%s has %d bytes, mode %v", f, info.Size(), info.Mode())
		}
		all = append(all, numbers(t, f)...)
	}
	for i, got := range all { // all of the end, in order
		if want := n - len(all) + i; got != want {
			t.Fatalf("line %d of %d has number %d, want %d", i, len(all), got, want)
		}
	}
	if len(all) < 2000 {
		t.Errorf("%d lines are kept", len(all))
	}
	if said.Len() > 0 {
		t.Errorf("said %q", &said)
	}
}

// TestAFileThatCannotBeSetAside has a name to which no time can be added.
func TestAFileThatCannotBeSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), strings.Repeat("n", 250))
	var said bytes.Buffer
	l, err := OpenLogs(LogConfig{Output: path, MaxSize: 1 << 20, Keep: 2, Stderr: &said})
	if err != nil {
		t.Fatal(err)
	}
	const n = 2500
	fill(t, l, 0, n)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	got := numbers(t, path)
	for i, v := range got {
		if i != v {
			t.Fatalf("line %d has number %d", i, v)
		}
	}
	if len(got) != n {
		t.Errorf("%d of %d lines are there", len(got), n)
	}
	if s := said.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "grows on") {
		t.Errorf("said %q", s)
	}
}

func TestAFullDiskIsToldOnce(t *testing.T) {
	const path = "/dev/full"
	if _, err := os.Stat(path); err != nil {
		t.Skip("there is no " + path)
	}
	for _, size := range []int64{0, 1 << 20} {
		var said bytes.Buffer
		l, err := OpenLogs(LogConfig{Output: path, MaxSize: size, Keep: 2, Stderr: &said})
		if err != nil {
			t.Fatal(err)
		}
		fill(t, l, 0, 50)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if s := said.String(); strings.Count(s, "\n") != 1 || !strings.Contains(s, "lines are lost") {
			t.Errorf("size %d: said %q", size, s)
		}
	}
}
