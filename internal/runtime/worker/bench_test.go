package worker

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// benchBytes is the recording of BenchmarkDecode: long enough that starting and ending a guest does not count.
const benchBytes = 64 << 20

// BenchmarkDecode runs the built rail decoder as a decode worker does, without the process around it: guest alone
// (batches are checked and dropped), with all tables encoded, and without the largest one.
func BenchmarkDecode(b *testing.B) {
	wasm, err := os.ReadFile(filepath.Join("..", "..", "..", "plugins", "dist", "rail.wasm"))
	if err != nil {
		b.Skip("plugins/dist/rail.wasm is not built: go run ./plugins/build")
	}
	raw, err := module.EmbeddedManifest(wasm)
	if err != nil {
		b.Fatal(err)
	}
	manifest, err := module.ParseManifest(raw)
	if err != nil {
		b.Fatal(err)
	}
	s := benchSession(b, wasm, manifest)
	input := benchInput(b)
	for _, c := range []struct {
		name, params string
		tables       []string
	}{
		{"guest", `{}`, []string{}},
		{"guest-novars", `{"variables": "false"}`, []string{}},
		{"parquet", `{}`, nil},
		{"parquet-novars", `{"variables": "false"}`, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(benchBytes)
			before := processorTime(b)
			for b.Loop() {
				f, err := os.Open(input)
				if err != nil {
					b.Fatal(err)
				}
				job := &wire.Decode{
					Size: benchBytes, Params: json.RawMessage(c.params), Form: table.Parquet, Tables: c.tables,
					Output: 1 << 40, Issues: 10_000, LogBytes: 1 << 20,
				}
				if err := s.decode(b.Context(), job, f); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}

// processorTime gives the nanoseconds that the process has used: what others do on the machine changes them least.
func processorTime(b *testing.B) int64 {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// benchSession gives a decode worker of the module whose serving process makes a file for every table.
func benchSession(b *testing.B, wasm []byte, manifest *module.Manifest) *session {
	b.Helper()
	e, err := newEngine(b.Context(), wasm, engineOptions{memoryMiB: 256})
	if err != nil {
		b.Fatal(err)
	}
	parent, child := benchPair(b)
	page, file, err := wire.NewPage()
	if err != nil {
		b.Fatal(err)
	}
	dir, served := b.TempDir(), make(chan struct{})
	go func() {
		defer close(served)
		serveTables(parent, dir)
	}()
	b.Cleanup(func() {
		_ = child.Close()
		<-served
		_ = file.Close()
		_ = e.close(b.Context())
	})
	return &session{setup: &wire.Setup{Tables: manifest.Schemas}, engine: e, sock: child, page: page}
}

// serveTables answers a worker's requests for files until its end of the socket is closed.
func serveTables(parent *wire.Conn, dir string) {
	defer parent.Close()
	for {
		m, err := parent.Recv()
		if err != nil {
			return
		}
		var open wire.Open
		if m.Kind == wire.KindOpen && m.Decode(&open) == nil {
			var files []*os.File
			for range open.Indexes {
				if f, err := os.CreateTemp(dir, "table-"); err == nil {
					files = append(files, f)
				}
			}
			_ = parent.Send(wire.KindOpened, wire.Opened{Indexes: open.Indexes}, files...)
			for _, f := range files {
				_ = os.Remove(f.Name())
				_ = f.Close()
			}
		}
		m.Close()
	}
}

func benchPair(b *testing.B) (parent, child *wire.Conn) {
	b.Helper()
	parent, f, err := wire.Pair()
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		b.Fatal(err)
	}
	return parent, wire.Inherited(fd)
}

func benchInput(b *testing.B) string {
	b.Helper()
	var in bytes.Buffer
	if err := railtest.WriteLarge(&in, benchBytes, railtest.Options{Seed: 1}); err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "recording.RU")
	if err := os.WriteFile(path, in.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}
