package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/examples/trackgen"
	"github.com/wayside-edge/wayside/sdk/examples/tracklog"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
	"github.com/wayside-edge/wayside/sdk/go/sdktest"
)

const (
	guestBytes = 64 << 20 // of the log that decoding is timed on, as in the design
	tripBytes  = 10_000   // of the log whose round trips are timed
	trips      = 200
	lateLimit  = time.Second // deadline of the decode that never ends
	readBlock  = 64 << 10    // what the read-only guest asks for at once
)

// language is one of the SDKs, with what its decoder has to reach.
type language struct {
	name, file                  string
	speed, trip, start, install string
}

func languages() []language {
	return []language{
		{"C", "c/tracklog.wasm", "≥ 1.2", "≤ 0.25", "≤ 15", "–"},
		{"Rust", "rust/tracklog.wasm", "≥ 1.0", "≤ 0.25", "≤ 15", "–"},
		{"Go", "go/tracklog.wasm", "≥ 0.55", "≤ 1.5", "≤ 75", "≤ 700"},
	}
}

// measureGuests compares the example decoder of each SDK, as a guest in a worker process, with the same decoder
// compiled natively: columns are made, checked and counted, nothing is encoded. Beside it stands a guest that only
// reads. Examples that were not built are left out, and it is said.
func measureGuests(ctx context.Context, b *bench) ([]figure, error) {
	if b.guests == "" {
		return nil, nil
	}
	long, short, err := b.logs()
	if err != nil {
		return nil, err
	}
	reader, err := b.rig(ctx, readOnly())
	if err != nil {
		return nil, err
	}
	figures, err := b.baselines(ctx, reader, long)
	reader.close()
	if err != nil {
		return nil, err
	}
	for _, l := range languages() {
		wasm, err := os.ReadFile(filepath.Join(b.guests, l.file))
		if errors.Is(err, os.ErrNotExist) {
			figures = append(figures, figure{l.name + ": " + l.file + " is not built", "–", "–"})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read example: %w", err)
		}
		more, err := b.language(ctx, l, wasm, long, short)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", l.name, err)
		}
		figures = append(figures, more...)
	}
	late, err := b.late(ctx, short)
	return append(figures, late...), err
}

// logs writes the two inputs.
func (b *bench) logs() (long, short string, err error) {
	for path, n := range map[*string]int64{&long: guestBytes, &short: tripBytes} {
		var buf bytes.Buffer
		if err := trackgen.Write(&buf, trackgen.Options{Seed: 1, Bytes: n, Plain: true}); err != nil {
			return "", "", fmt.Errorf("make a log: %w", err)
		}
		*path = filepath.Join(b.work, fmt.Sprintf("%d.trk", n))
		if err := os.WriteFile(*path, buf.Bytes(), 0o600); err != nil {
			return "", "", fmt.Errorf("make a log: %w", err)
		}
	}
	return long, short, nil
}

// baselines times the native decoder and the guest that only reads.
func (b *bench) baselines(ctx context.Context, reader *rig, long string) ([]figure, error) {
	var native, arrays, read spread
	for range b.runs {
		took, err := nativeTracklog(long)
		if err != nil {
			return nil, err
		}
		native = append(native, rate(took))
		if took, err = nativeArrays(long); err != nil {
			return nil, err
		}
		arrays = append(arrays, rate(took))
		if took, err = reader.decode(ctx, long); err != nil {
			return nil, err
		}
		read = append(read, rate(took))
	}
	return []figure{
		{"log of 64 MiB to columns, compiled natively, MB/s", "–", native.String()},
		{"its samples to plain arrays, compiled natively, MB/s", "–", arrays.String()},
		{"the same log only read by a guest, MB/s", "–", read.String()},
	}, nil
}

// rate is megabytes a second of the long log.
func rate(took time.Duration) float64 { return guestBytes / 1e6 / took.Seconds() }

func nativeTracklog(path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("decode natively: %w", err)
	}
	defer f.Close()
	var c sdktest.Counter
	began := time.Now()
	if ret := tracklog.Plugin().Run(sdk.Host{Input: f, Sink: &c}); ret != abi.DecodeOK {
		return 0, fmt.Errorf("decode natively: the decoder returned %d", ret)
	}
	return time.Since(began), nil
}

// language measures one decoder.
func (b *bench) language(ctx context.Context, l language, wasm []byte, long, short string) ([]figure, error) {
	var install, start, trip, speed, ratio, design, memory spread
	for range b.runs {
		r, err := b.rig(ctx, wasm)
		if err != nil {
			return nil, err
		}
		err = func() error {
			defer r.close()
			install = append(install, ms(r.install))
			took, err := r.decode(ctx, short)
			if err != nil {
				return err
			}
			start = append(start, ms(took))
			var each spread
			for range trips {
				if took, err = r.decode(ctx, short); err != nil {
					return err
				}
				each = append(each, float64(took.Nanoseconds())/1e6)
			}
			trip = append(trip, each.median())
			plain, err := nativeTracklog(long)
			if err != nil {
				return err
			}
			arrays, err := nativeArrays(long)
			if err != nil {
				return err
			}
			if took, err = r.decode(ctx, long); err != nil {
				return err
			}
			speed = append(speed, rate(took))
			ratio = append(ratio, plain.Seconds()/took.Seconds())
			design = append(design, arrays.Seconds()/took.Seconds())
			n, err := childMemory()
			memory = append(memory, float64(n)/mib)
			return err
		}()
		if err != nil {
			return nil, err
		}
	}
	return []figure{
		{l.name + ": log of 64 MiB to columns, MB/s", "–", speed.String()},
		{l.name + ": ÷ the same decoder compiled natively", l.speed, ratio.String()},
		{l.name + ": ÷ samples to plain arrays, compiled natively", l.speed, design.String()},
		{l.name + ": 10 kB in a fresh instance of a warm worker, p50, ms", l.trip, trip.String()},
		{l.name + ": worker start and first file, ms", l.start, start.String()},
		{l.name + ": installed (worker, checks, initialisation, compiling, golden vectors), ms", l.install, install.String()},
		{l.name + ": worker after the log of 64 MiB, peak, MiB resident", "≤ 45 + the guest's", memory.String()},
	}, nil
}

// late measures how long after its deadline a decode that never ends is stopped.
func (b *bench) late(ctx context.Context, short string) ([]figure, error) {
	g := runtimetest.NewGuest("endless", 1, 16)
	g.Decode(runtimetest.Loop(runtimetest.Br(0)), runtimetest.Const(0))
	r, err := b.rig(ctx, g.Wasm())
	if err != nil {
		return nil, err
	}
	defer r.close()
	var late spread
	for range b.runs {
		took, err := r.decode(ctx, short)
		if !errors.Is(err, errNotDone) {
			return nil, fmt.Errorf("a decode without end: %w", err)
		}
		late = append(late, ms(took-lateLimit))
	}
	return []figure{{"a decode without end stopped after its deadline, ms late", "≤ 200", late.String()}}, nil
}

// readOnly is a guest that reads its input and does nothing with it.
func readOnly() []byte {
	g := runtimetest.NewGuest("reads", 4, 16)
	g.Decode(
		runtimetest.Loop(
			runtimetest.Const(readBlock), runtimetest.Const(readBlock), runtimetest.Call(g.Read), runtimetest.BrIf(0),
		),
		runtimetest.Const(0),
	)
	return g.Wasm()
}

// errNotDone reports a decode with another end than done.
var errNotDone = errors.New("the decode is not done")

// rig is a registry and a pool with one plugin.
type rig struct {
	pool    *runtime.Pool
	sha     string
	install time.Duration
	close   func()
}

// rig installs a module in a runtime of its own. Its workers are this program again, see main: what one program has
// compiled, another does not load.
func (b *bench) rig(ctx context.Context, wasm []byte) (*rig, error) {
	dir, err := os.MkdirTemp(b.work, "guest-")
	if err != nil {
		return nil, fmt.Errorf("make a runtime: %w", err)
	}
	plugins := filepath.Join(dir, "plugins")
	if err := os.Mkdir(plugins, 0o700); err != nil {
		return nil, fmt.Errorf("make a runtime: %w", err)
	}
	if err := os.WriteFile(filepath.Join(plugins, "guest.wasm"), wasm, 0o600); err != nil { //nolint:gosec // a folder of our own
		return nil, fmt.Errorf("make a runtime: %w", err)
	}
	cfg := runtime.Config{
		Builtin: os.DirFS(plugins), CompiledDir: filepath.Join(dir, "compiled"), Workers: 1,
		Limits: runtime.Limits{Total: lateLimit, Stall: time.Minute},
	}
	reg, err := runtime.OpenRegistry(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("make a runtime: %w", err)
	}
	r := &rig{pool: runtime.NewPool(reg, cfg)}
	running, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { _ = reg.Run(running) }) // both end with running, and for no other reason
	wg.Go(func() { _ = r.pool.Run(running) })
	r.close = func() {
		cancel()
		wg.Wait()
	}
	began := time.Now()
	r.sha = reg.Plugins()[0].SHA256
	if err := reg.Wait(ctx, r.sha); err != nil {
		r.close()
		return nil, fmt.Errorf("install: %w", err)
	}
	r.install = time.Since(began)
	return r, nil
}

// decode decodes a file, makes its columns and writes none.
func (r *rig) decode(ctx context.Context, path string) (time.Duration, error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open the log: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("open the log: %w", err)
	}
	began := time.Now()
	res, err := r.pool.Decode(ctx, runtime.Request{Plugin: r.sha, Input: f, Size: st.Size(), Tables: []string{}})
	took := time.Since(began)
	if err != nil {
		return took, fmt.Errorf("decode: %w", err)
	}
	if res.Status != runtime.Done {
		return took, fmt.Errorf("%w: %s: %+v", errNotDone, res.Status, res.Failure)
	}
	return took, nil
}

// childMemory gives the most resident memory, in bytes, that the one worker has had.
func childMemory() (int64, error) {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return 0, fmt.Errorf("list workers: %w", err)
	}
	for _, path := range lists {
		list, err := os.ReadFile(path)
		if err != nil {
			return 0, fmt.Errorf("list workers: %w", err)
		}
		for pid := range strings.FieldsSeq(string(list)) {
			status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
			if err != nil {
				return 0, fmt.Errorf("look at worker: %w", err)
			}
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib int64
				if _, err := fmt.Sscan(rest, &kib); err != nil {
					return 0, fmt.Errorf("look at worker: %w", err)
				}
				return kib << 10, nil
			}
		}
	}
	return 0, errors.New("look at worker: there is none")
}
