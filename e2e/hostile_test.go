//go:build e2e

package e2e

import (
	"encoding/binary"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// hostileManifest describes the decoder of testdata/hostile.
const hostileManifest = `{"id":"hostile","name":"Hostile","version":"1.0.0","abi":1,
"formats":[{"id":"hostile","sniff":[{"offset":0,"bytes":"484f5354494c453a"}]}],
"tables":[{"name":"numbers","columns":[{"name":"seq","type":"i64"},{"name":"value","type":"i64"}]}]}`

// buildHostile compiles the hostile decoder into a plugin folder.
func buildHostile(t *testing.T) string {
	t.Helper()
	return buildGuest(t, "hostile", hostileManifest)
}

// buildGuest compiles a decoder of testdata into a plugin folder, with its manifest.
func buildGuest(t *testing.T, source, manifest string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, source+".wasm")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildmode=c-shared", "-o", path, "./testdata/"+source)
	cmd.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build decoder %s: %v\n%s", source, err, out)
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := "wayside.manifest"
	body := append([]byte{byte(len(name))}, name...)
	body = append(body, manifest...)
	section := append(binary.AppendUvarint([]byte{0}, uint64(len(body))), body...)
	if _, err := f.Write(section); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestHostileDecoder has a decoder misbehave in every way it knows, while another file is decoded beside it each
// time, and checks that each ends with its own reason and the rows from before are kept.
func TestHostileDecoder(t *testing.T) {
	plugins := buildHostile(t)
	t.Setenv("WAYSIDE_PLUGINS_DIRS", plugins)
	t.Setenv("WAYSIDE_DECODE_STALL", "5s") // it takes a while to fill the memory
	t.Setenv("WAYSIDE_DECODE_MEMORY", "64MiB")
	a := start(t, t.TempDir())
	good := a.upload("example.RU", example(t), "")
	for _, tc := range []struct{ mode, status, code string }{
		{"fine", "done", ""},
		{"loop", "partial", "stalled"},
		{"alloc", "partial", "memory_limit"},
		{"trap", "partial", "trap"},
		{"lie", "partial", "abi_violation"},
		{"bomb", "partial", "output_limit"},
	} {
		t.Run(tc.mode, func(t *testing.T) {
			var up Uploaded
			path := "/api/v1/files?name=" + tc.mode + ".bin"
			body := strings.NewReader("HOSTILE:" + tc.mode + "\n")
			if status, p, err := a.call(t.Context(), http.MethodPost, path, body, &up); err != nil || p != nil {
				t.Fatalf("upload: %d %+v %v", status, p, err)
			}
			beside := a.upload("beside-"+tc.mode+".RU", append(example(t), 0), "&force=true")
			if beside.Decode.rows("records") != good.Decode.rows("records") {
				t.Errorf("a good file beside it: %+v", beside.Decode)
			}
			a.get("/health/live", nil)
			d := a.final(up.Decode.ID)
			if d.Status != tc.status || (d.Error == nil) != (tc.code == "") || d.Error != nil && d.Error.Code != tc.code {
				t.Errorf("decode: %s %+v, want %s %s\n%s", d.Status, d.Error, tc.status, tc.code, a.log.tail())
			}
			if n := d.rows("numbers"); n < 16384 {
				t.Errorf("%d of the rows from before are kept", n)
			}
		})
	}
}
