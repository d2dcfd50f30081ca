//go:build e2e

package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// busy gives a decoder that takes the compiler a second or two: many functions.
func busy(id string, functions int) []byte {
	g := runtimetest.Lines(id)
	g.Change(func(m *abi.Manifest) { m.Version = "2.0.0" })
	body := make([][]byte, 0, 400)
	for i := range 200 {
		body = append(body, runtimetest.Const(i), runtimetest.Op(runtimetest.Drop))
	}
	for range functions {
		g.Func("", nil, nil, nil, bytes.Join(body, nil))
	}
	return g.Wasm()
}

// TestDropInTime measures how long it takes from the end of a copy into the plugins folder to the first decode, each
// in an appliance of its own: of a small module, of a Go guest, and of both while another one is being compiled. The
// figures of the decision records are medians of `-count 5`.
func TestDropInTime(t *testing.T) {
	small, track := dropGuest("1.0.0"), new(bytes.Buffer)
	if err := trackgen.Write(track, trackgen.Options{Seed: 1, Bytes: 10_000}); err != nil {
		t.Fatal(err)
	}
	goGuest, err := os.ReadFile(filepath.Join("..", "bin", "examples", "go", "tracklog.wasm"))
	if err != nil {
		t.Skip("the Go example is not built: make sdk-examples")
	}
	for _, c := range []struct {
		name, query string
		wasm, input []byte
		beside      bool
		builtin     bool // do not wait for the built-in decoder
	}{
		{"small", "decoder=drop&table=rows", small, make([]byte, 4096), false, false},
		{"Go", "decoder=tracklog", goGuest, track.Bytes(), false, false},
		{"small beside the built-in decoder's compilation", "decoder=drop&table=rows", small, make([]byte, 4096), false, true},
		{"Go beside the built-in decoder's compilation", "decoder=tracklog", goGuest, track.Bytes(), false, true},
		{"Go beside another", "decoder=tracklog", goGuest, track.Bytes(), true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := start(t, t.TempDir())
			if !c.builtin {
				a.upload("example.RU", example(t), "")
			}
			if c.beside {
				if err := os.WriteFile(filepath.Join(a.dir, "plugins", "busy.wasm"), busy("busy", 12000), 0o600); err != nil {
					t.Fatal(err)
				}
				a.compiling("busy")
			}
			if err := os.WriteFile(filepath.Join(a.dir, "plugins", "new.wasm"), c.wasm, 0o600); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for {
				var out json.RawMessage
				status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/decode?"+c.query, bytes.NewReader(c.input), &out)
				if err == nil && p == nil && status == http.StatusOK {
					break
				}
				if time.Since(began) > 30*time.Second {
					t.Fatalf("it does not decode: %v %+v\n%s", err, p, a.log.tail())
				}
				time.Sleep(5 * time.Millisecond)
			}
			t.Logf("FIGURE %s: %d ms", c.name, time.Since(began).Milliseconds())
		})
	}
}

// compiling waits until a plugin is being compiled.
func (a *appliance) compiling(id string) {
	a.t.Helper()
	for limit := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		var p Plugin
		status, _, err := a.call(a.t.Context(), http.MethodGet, "/api/v1/plugins/"+id, nil, &p)
		if err == nil && status == http.StatusOK {
			switch p.State {
			case "compiling":
				return
			case "active", "rejected":
				a.t.Fatalf("it is %s, and nothing is compiled beside what is measured", p.State)
			}
		}
		if time.Now().After(limit) {
			a.t.Fatalf("%s is not being compiled\n%s", id, a.log.tail())
		}
	}
}
