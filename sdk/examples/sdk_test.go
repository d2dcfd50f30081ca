//go:build sdk

package examples

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
)

var update = flag.Bool("update", false, "write testdata anew, from the decoder in Go")

const root = "../.."

// languages have their modules in bin/examples: make sdk-examples.
var languages = []string{"go", "c", "rust"}

// corruptions is how many damaged inputs the three decoders must take alike.
const corruptions = 1000

// start is the time of the first record of all inputs.
const start = 1_700_000_000_000_000

func input(t *testing.T, o trackgen.Options) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := trackgen.Write(&b, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wayside runs the real command with a decoder of the examples. Exit code 1 is that of partial and failed inputs.
func wayside(t *testing.T, lang string, args ...string) (stdout, stderr []byte) {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(root, "bin", "wayside"))
	if err != nil {
		t.Fatal(err)
	}
	args = append([]string{"decode", "--quiet", "--plugins", filepath.Join(root, "bin", "examples", lang)}, args...)
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Join(root, ".cache"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) {
		t.Fatalf("wayside %v: %v\n%s", args, err, errs.Bytes())
	}
	return out.Bytes(), errs.Bytes()
}

// document makes the golden document of a decode of one input.
func document(t *testing.T, lang, path string) []byte {
	t.Helper()
	out, errs := wayside(t, lang, "--to", "json", path)
	var result struct {
		Decode struct {
			Error *golden.End `json:"error"`
		} `json:"decode"`
		Tables map[string][]json.RawMessage `json:"tables"`
	}
	if err := json.Unmarshal(out, &result); err != nil {
		t.Fatalf("%s: %s: %v\n%s%s", lang, path, err, out, errs)
	}
	var tables []golden.Table
	names := []string{"records", "events"} // as they are declared; those found at run time have names of the same order
	for name := range result.Tables {
		if !slices.Contains(names, name) && name != "issues" {
			names = append(names, name)
		}
	}
	slices.Sort(names[2:])
	for _, name := range append(names, "issues") {
		rows := make([][]byte, 0, len(result.Tables[name]))
		for _, r := range result.Tables[name] {
			rows = append(rows, append(slices.Clone(r), '\n'))
		}
		tables = append(tables, golden.Table{Name: name, Rows: bytes.NewReader(slices.Concat(rows...))})
	}
	var doc bytes.Buffer
	if err := golden.Write(&doc, tables, result.Decode.Error); err != nil {
		t.Fatal(err)
	}
	return doc.Bytes()
}

// writeInputs writes testdata/*.bin.
func writeInputs(t *testing.T) {
	t.Helper()
	whole := input(t, trackgen.Options{Seed: 7, Bytes: 4_000, Start: start, Unit: "unit 7"})
	damaged := whole
	for seed := uint64(0); seed < 3 || len(damaged) < len(whole)-200; seed++ { // long ones, not cut
		if d := trackgen.Damage(damaged, seed); len(d) > len(whole)-100 {
			damaged = d
		}
	}
	later := slices.Clone(whole)
	later[8] = 2
	for name, data := range map[string][]byte{
		"empty-log.bin": input(t, trackgen.Options{Start: start}), "whole.bin": whole, "truncated.bin": whole[:2_001],
		"damaged.bin": damaged, "version-2.bin": later,
	} {
		if err := os.WriteFile(filepath.Join("testdata", name), data, 0o600); err != nil { //nolint:forbidigo // a fixture
			t.Fatal(err)
		}
	}
}

func TestGoldenFiles(t *testing.T) {
	if *update {
		writeInputs(t)
	}
	inputs, err := filepath.Glob("testdata/*.bin")
	if err != nil || len(inputs) < 5 {
		t.Fatalf("inputs: %v, %v", inputs, err)
	}
	for _, in := range inputs {
		path := strings.TrimSuffix(in, ".bin") + golden.Suffix
		if *update {
			if err := os.WriteFile(path, document(t, "go", in), 0o600); err != nil { //nolint:forbidigo // a fixture
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, lang := range languages {
			if got := document(t, lang, in); !bytes.Equal(want, got) {
				t.Errorf("%s, %s: %s", in, lang, golden.Diff(want, got))
			}
		}
	}
}

// outputs decodes a folder and gives all bytes of all tables, and what was said of each input but how long it took.
func outputs(t *testing.T, lang, dir string, args ...string) string {
	t.Helper()
	out := t.TempDir()
	_, errs := wayside(t, lang, append(args, "--to", "ndjson", "-o", out, dir)...)
	var all strings.Builder
	err := filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&all, "== %s\n%s", strings.TrimPrefix(path, out), b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(errs)) {
		if name, said, ok := strings.Cut(line, "rows, "); ok {
			_, said, _ = strings.Cut(said, ":")
			said, _, _ = strings.Cut(said, " -> ")
			line = name + said + "\n"
		}
		all.WriteString(line)
	}
	return all.String()
}

func TestDamagedInputsGiveTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(corruptions) {
		data := trackgen.Damage(input(t, trackgen.Options{Seed: i, Bytes: 1_500, Start: start}), i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.trk", i)), data, 0o600); err != nil { //nolint:forbidigo // an input
			t.Fatal(err)
		}
	}
	for _, params := range [][]string{nil, {"--param", "crc=drop", "--param", "min_speed=100"}, {"--param", "crc=ignore"}} {
		want := outputs(t, "go", dir, params...)
		if strings.Count(want, "\n") < 20*corruptions {
			t.Fatalf("the decoder in Go made %d lines only", strings.Count(want, "\n"))
		}
		for _, lang := range languages[1:] {
			if got := outputs(t, lang, dir, params...); got != want {
				t.Errorf("%s, %v: %s", lang, params, golden.Diff([]byte(want), []byte(got)))
			}
		}
	}
}

// TestHeaderNatively builds the tests of the C header with sanitizers and gives the example decoders damaged inputs.
func TestHeaderNatively(t *testing.T) {
	cc := ""
	for _, name := range []string{os.Getenv("CC"), "gcc", "cc", "clang"} {
		if path, err := exec.LookPath(name); err == nil && cc == "" {
			cc = path
		}
	}
	for flag, log := range map[string]func(seed uint64) []byte{
		"-DTRACKLOG": func(seed uint64) []byte { return input(t, trackgen.Options{Seed: seed, Bytes: 5_000}) },
		"-DCHANLOG":  func(seed uint64) []byte { return trackgen.Channels(trackgen.Options{Seed: seed, Bytes: 2_000}, 2) },
	} {
		dir := t.TempDir()
		bin := filepath.Join(dir, "native")
		build := exec.CommandContext(t.Context(), cmp.Or(cc, "cc"), "-std=c99", "-Wall", "-Wextra", "-Werror", "-g", "-O1", flag,
			"-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I"+root+"/sdk/c", "-o", bin, root+"/sdk/c/tests/native_test.c")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", flag, err, out)
		}
		var files []string
		for i := range uint64(300) {
			files = append(files, filepath.Join(dir, fmt.Sprintf("%03d.log", i)))
			data := trackgen.Damage(log(i), i)
			if err := os.WriteFile(files[i], data, 0o600); err != nil { //nolint:forbidigo // an input
				t.Fatal(err)
			}
		}
		if out, err := exec.CommandContext(t.Context(), bin, files...).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}

// TestCrateNatively runs the crate's own tests, with and without alloc.
func TestCrateNatively(t *testing.T) {
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("cargo is not there: the crate's own tests do not run (apt-get install cargo)")
	}
	for _, features := range [][]string{nil, {"--all-features"}} {
		cmd := exec.CommandContext(t.Context(), "cargo", append([]string{"test", "--offline", "--target-dir", t.TempDir()}, features...)...)
		cmd.Dir = root + "/sdk/rust"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", features, err, out)
		}
	}
}

// TestManifestsAreTheSame compares what the host made of the manifests that the modules give themselves.
func TestManifestsAreTheSame(t *testing.T) {
	describe := func(lang string) any {
		out, _ := wayside(t, lang, "--to", "json", "testdata/whole.bin")
		var v struct {
			Decode struct {
				Decoder map[string]any `json:"decoder"`
				Tables  any            `json:"tables"`
			} `json:"decode"`
		}
		if err := json.Unmarshal(out, &v); err != nil {
			t.Fatal(err)
		}
		delete(v.Decode.Decoder, "sha256")
		return []any{v.Decode.Decoder, v.Decode.Tables}
	}
	want := describe("go")
	for _, lang := range languages[1:] {
		if got := describe(lang); !reflect.DeepEqual(want, got) {
			t.Errorf("%s: %v\nGo: %v", lang, got, want)
		}
	}
}
