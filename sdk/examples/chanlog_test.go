//go:build sdk

package examples

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/internal/runtime/golden"
	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
)

// channelLogs are the inputs of testdata/chanlog.
func channelLogs() map[string][]byte {
	o := trackgen.Options{Seed: 12, Bytes: 1_500, Start: start}
	whole := trackgen.Channels(o, 0)
	return map[string][]byte{
		"whole.chl": whole, "truncated.chl": whole[:len(whole)-3], "cut-header.chl": whole[:60],
		"files.chl": trackgen.Channels(o, 2), "no-groups.chl": []byte("CHANLOG1\x00\x07"),
	}
}

// manyColumns is a header with one group of too many channels.
func manyColumns(n int) []byte {
	b := binary.LittleEndian.AppendUint16([]byte("CHANLOG1\x01\x00"), uint16(n))
	return append(b, bytes.Repeat([]byte{1, 0, 1, 'x'}, n)...)
}

// longSchemas is a header whose descriptions alone are more than the schemas of a decode may have.
func longSchemas() []byte {
	b := []byte("CHANLOG1\x03")
	for range 3 {
		b = binary.LittleEndian.AppendUint16(append(b, 0), 2_000)
		channel := append([]byte{1, 0, 200}, bytes.Repeat([]byte{'y'}, 200)...)
		b = append(b, bytes.Repeat(channel, 2_000)...)
	}
	return b
}

// TestChannelLogs compares what the three decoders make of tables that only the headers name, and of files inside them,
// which are decoded too: rows, issues and how the decode ended with the golden files, and the columns with each other.
func TestChannelLogs(t *testing.T) {
	for name, data := range channelLogs() {
		in := filepath.Join("testdata", "chanlog", name)
		path := strings.TrimSuffix(in, ".chl") + golden.Suffix
		if *update {
			for file, b := range map[string][]byte{in: data, path: nil} {
				if b == nil {
					b = document(t, "go", in)
				}
				if err := os.WriteFile(file, b, 0o600); err != nil { //nolint:forbidigo // a fixture
					t.Fatal(err)
				}
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
		alike(t, in, map[string]string{"whole.chl": "group_1: first"}[name])
	}
}

// alike compares what is shown of an input: tables, columns with their units, files inside. part is something of it.
func alike(t *testing.T, in, part string) {
	t.Helper()
	shown := func(lang string) string {
		out, errs := wayside(t, lang, in)
		return regexp.MustCompile(` in [0-9.]+[nµm]?s\b`).ReplaceAllString(string(out)+string(errs), "")
	}
	want := shown("go")
	if !strings.Contains(want, part) || !strings.Contains(want, "chanlog 1.0.0") {
		t.Errorf("%s shows %q without %q", in, want, part)
	}
	for _, lang := range languages[1:] {
		if got := shown(lang); got != want {
			t.Errorf("%s, %s:\n%s\nGo:\n%s", in, lang, got, want)
		}
	}
}

// TestLimitsOfFoundTables: headers with more columns, and longer schemas, than the host takes end with the SDK's own error.
func TestLimitsOfFoundTables(t *testing.T) {
	for name, c := range map[string]struct {
		data []byte
		end  string
	}{
		"columns": {manyColumns(4_200), "table group_1: there are more than 4096 columns"},
		"schemas": {longSchemas(), "the schemas of the tables found at run time have more than 1048576 bytes"},
	} {
		in := filepath.Join(t.TempDir(), name+".chl")
		if err := os.WriteFile(in, c.data, 0o600); err != nil { //nolint:forbidigo // an input
			t.Fatal(err)
		}
		alike(t, in, "table_limit")
		alike(t, in, c.end)
	}
}

func TestDamagedChannelLogsGiveTheSameBytes(t *testing.T) {
	dir := t.TempDir()
	for i := range uint64(corruptions) {
		data := trackgen.Damage(trackgen.Channels(trackgen.Options{Seed: i, Bytes: 600, Start: start}, int(i%3)), i)
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%04d.chl", i)), data, 0o600); err != nil { //nolint:forbidigo // an input
			t.Fatal(err)
		}
	}
	want := outputs(t, "go", dir)
	if n := strings.Count(want, "/inside/"); strings.Count(want, "\n") < 10*corruptions || n < corruptions/4 {
		t.Fatalf("the decoder in Go made %d lines, %d tables of files inside", strings.Count(want, "\n"), n)
	}
	for _, lang := range languages[1:] {
		if got := outputs(t, lang, dir); got != want {
			t.Errorf("%s: %s", lang, golden.Diff([]byte(want), []byte(got)))
		}
	}
}

// TestToolsKnowFoundTables: golden files of `wayside plugin test` and golden tests in a module hold the rows of tables that
// no manifest has; the module is vetted with them before it decodes.
func TestToolsKnowFoundTables(t *testing.T) {
	logs := t.TempDir()
	for name, data := range channelLogs() {
		if err := os.WriteFile(filepath.Join(logs, name), data, 0o600); err != nil { //nolint:forbidigo // an input
			t.Fatal(err)
		}
	}
	for i, lang := range languages {
		module, args := filepath.Join(root, "bin", "examples", lang, "chanlog.wasm"), []string{"--testdata", logs}
		if i == 0 {
			args = append(args, "--update") // the others have to give the same
		}
		tool(t, append([]string{"plugin", "test", module, "--fuzz", "0"}, args...)...)
		b, err := os.ReadFile(filepath.Join(logs, "whole.chl"+golden.Suffix))
		if err != nil || !bytes.Contains(b, []byte(`{"table":"group_1","row":`)) {
			t.Errorf("%s: %v, golden file\n%s", lang, err, b)
		}
		plugins := t.TempDir()
		tool(t, "plugin", "pack", module, "-o", filepath.Join(plugins, "chanlog.wasm"), "--testdata", logs)
		in := filepath.Join(logs, "whole.chl")
		if out := tool(t, "decode", "--plugins", plugins, "--table", "group_1", "--to", "csv", in); bytes.Count(out, []byte("\n")) < 40 {
			t.Errorf("%s, packed: %s", lang, out)
		}
	}
}

// tool runs the real command, which must end well, and gives what it prints.
func tool(t *testing.T, args ...string) []byte {
	t.Helper()
	bin, err := filepath.Abs(filepath.Join(root, "bin", "wayside"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bin, args...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+t.TempDir())
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("wayside %v: %v\n%s%s", args, err, out.Bytes(), errs.Bytes())
	}
	return out.Bytes()
}
