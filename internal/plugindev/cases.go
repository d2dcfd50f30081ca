package plugindev

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

const (
	paramsSuffix = ".params.json"
	// crashers is the folder of inputs that once broke the decoder: they have no golden file, only to end in order.
	crashers = "crashers"
	// mostTest bounds the input of a test, which is held in memory and decoded many times.
	mostTest   = 64 << 20
	mostParams = 1 << 20
)

// recording is an input of a decode: a file on the disk, or bytes.
type recording struct {
	name   string
	path   string // "" = data
	data   []byte
	size   int64
	sha256 string
	parts  []runtime.Part // nil = one file
}

// bytesOf makes a recording of bytes.
func recordingOf(name string, data []byte) *recording {
	return &recording{name: name, data: data, size: int64(len(data)), sha256: module.Hash(data)}
}

func (r *recording) open() (*os.File, error) {
	var f *os.File
	var err error
	if r.path != "" {
		f, err = os.Open(r.path)
	} else {
		f, err = wire.MemFile("wayside-input", r.data)
	}
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return f, nil
}

// testCase is one input of a test folder.
type testCase struct {
	name   string // of the file or folder
	rec    *recording
	params map[string]string
	golden string // path
}

// findCases lists the tests of a folder, and the inputs in its folder of crashers. A folder is an input of several files,
// in the order of their names. Hidden files are left out.
func findCases(dir string) (cases, crashed []*testCase, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, errcode.Invalid("--testdata", "there is no folder %s: put an input and its golden file there", dir)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("list tests: %w", err)
	}
	for _, e := range entries {
		name := e.Name()
		switch {
		case strings.HasPrefix(name, "."), strings.HasSuffix(name, golden.Suffix), strings.HasSuffix(name, paramsSuffix):
			continue
		case name == crashers && e.IsDir():
			if crashed, err = findCrashers(filepath.Join(dir, name)); err != nil {
				return nil, nil, err
			}
			continue
		}
		c, err := readCase(dir, name)
		if err != nil {
			return nil, nil, fmt.Errorf("read test %s: %w", name, err)
		}
		cases = append(cases, c)
	}
	return cases, crashed, orphans(dir, entries, cases)
}

// orphans refuses golden files and parameters whose input is gone or was renamed: they would test nothing.
func orphans(dir string, entries []fs.DirEntry, cases []*testCase) error {
	inputs := map[string]bool{}
	for _, c := range cases {
		inputs[c.name] = true
	}
	for _, e := range entries {
		for _, suffix := range []string{golden.Suffix, paramsSuffix} {
			input, is := strings.CutSuffix(e.Name(), suffix)
			if is && !inputs[input] && !strings.HasPrefix(input, ".") {
				return errcode.Invalid("--testdata", "%s belongs to %s, which is not there", filepath.Join(dir, e.Name()), input)
			}
		}
	}
	return nil
}

func findCrashers(dir string) ([]*testCase, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list crashers: %w", err)
	}
	var out []*testCase
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		b, err := readInput(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		name := crashers + "/" + e.Name()
		out = append(out, &testCase{name: name, rec: recordingOf(e.Name(), b)})
	}
	return out, nil
}

func readCase(dir, name string) (*testCase, error) {
	path := filepath.Join(dir, name)
	c := &testCase{name: name, golden: path + golden.Suffix}
	st, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at input: %w", err)
	}
	if c.params, err = readParams(path + paramsSuffix); err != nil {
		return nil, err
	}
	if !st.IsDir() {
		b, err := readInput(path)
		if err != nil {
			return nil, err
		}
		c.rec = recordingOf(runtime.PartName(name), b)
		return c, nil
	}
	c.rec, err = readParts(path, name)
	return c, err
}

// readParts reads the files of a folder as the parts of one recording.
func readParts(dir, name string) (*recording, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("list parts: %w", err)
	}
	var data []byte
	var parts []runtime.Part
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") || !e.Type().IsRegular() {
			continue
		}
		b, err := readInput(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		if data = append(data, b...); len(data) > mostTest {
			return nil, errcode.Invalid("--testdata", "the parts of %s have more than %d bytes together", name, mostTest)
		}
		parts = append(parts, runtime.Part{Name: runtime.PartName(e.Name()), Size: int64(len(b)), SHA256: module.Hash(b)})
	}
	if len(parts) == 0 || len(parts) > runtime.MaxParts {
		return nil, errcode.Invalid("--testdata", "%s holds %d files, allowed are 1 to %d", name, len(parts), runtime.MaxParts)
	}
	r := recordingOf(runtime.PartName(name), data)
	r.parts = parts
	return r, nil
}

// readInput reads a file of a bounded size.
func readInput(path string) ([]byte, error) { return readBounded(path, mostTest) }

func readBounded(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if int64(len(b)) > most {
		return nil, errcode.Invalid("FILE", "%s has more than %d bytes", path, most)
	}
	return b, nil
}

// readParams reads the parameters beside an input, an object of texts, numbers and truth values; none where there is no
// such file.
func readParams(path string) (map[string]string, error) {
	b, err := readBounded(path, mostParams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(b, &values); err != nil {
		return nil, errcode.Invalid("--testdata", "%s is no JSON object: %v", path, err)
	}
	out := map[string]string{}
	for k, v := range values {
		text, err := paramText(v)
		if err != nil {
			return nil, errcode.Invalid("--testdata", "%s: %s: %v", path, k, err)
		}
		out[k] = text
	}
	return out, nil
}

// paramText gives a parameter as it stands in a query.
func paramText(v json.RawMessage) (string, error) {
	var text string
	switch {
	case json.Unmarshal(v, &text) == nil && v[0] == '"':
		return text, nil
	case v[0] == '{' || v[0] == '[' || v[0] == 'n':
		return "", errors.New("is to be a text, a number, true or false")
	}
	return string(v), nil
}

// printable makes text safe for a terminal: an input or a decoder may hold anything.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, s)
}
