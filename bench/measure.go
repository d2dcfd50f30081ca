package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

func contains(name, part string) bool { return strings.Contains(name, part) }

const mib = 1 << 20

func measureStart(ctx context.Context, b *bench) ([]figure, error) {
	var empty, again, stop spread
	for range b.runs {
		dir, err := b.folder()
		if err != nil {
			return nil, err
		}
		for _, into := range []*spread{&empty, &again} {
			a, err := startAppliance(ctx, b.bin, dir)
			if err != nil {
				return nil, err
			}
			*into = append(*into, ms(a.start))
			if err := a.compiled(ctx); err != nil {
				return nil, err
			}
			began := time.Now()
			if err := a.stop(); err != nil {
				return nil, err
			}
			stop = append(stop, ms(time.Since(began)))
		}
	}
	return []figure{
		{"start to ready, empty data folder, ms", "≤ 1000", empty.String()},
		{"start to ready, again, ms", "≤ 1000", again.String()},
		{"stop, idle, ms", "≤ 5000", stop.String()},
	}, nil
}

// appliance starts one on a new data folder and waits until it has compiled its decoders.
func (b *bench) appliance(ctx context.Context) (*appliance, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	return b.applianceOn(ctx, dir)
}

// applianceOn does so on a data folder that there is.
func (b *bench) applianceOn(ctx context.Context, dir string, env ...string) (*appliance, error) {
	a, err := startAppliance(ctx, b.bin, dir, env...)
	if err != nil {
		return nil, err
	}
	return a, a.compiled(ctx)
}

func measureIdle(ctx context.Context, b *bench) ([]figure, error) {
	var mem spread
	for range b.runs {
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		if _, err := a.upload(ctx, "one.RU", bytes.NewReader(recording(1, 12_000)), "&wait=30"); err != nil {
			return nil, err
		}
		select {
		case <-time.After(3 * time.Second): // what idle means: nothing asked for some seconds
		case <-ctx.Done():
			return nil, fmt.Errorf("wait: %w", ctx.Err())
		}
		n, err := a.memory()
		if err != nil {
			return nil, err
		}
		mem = append(mem, float64(n)/mib)
		if err := a.stop(); err != nil {
			return nil, err
		}
	}
	return []figure{{"idle after one decode, server and workers, MiB PSS", "≤ 80", mem.String()}}, nil
}

// measureSmall times one upload at a time, stored, decoded and answered.
func measureSmall(ctx context.Context, b *bench) ([]figure, error) {
	a, err := b.appliance(ctx)
	if err != nil {
		return nil, err
	}
	var p50, p99 spread
	seed := uint64(0)
	for range b.runs {
		var took spread
		for range 100 {
			seed++
			data := recording(seed, 12_000)
			began := time.Now()
			d, err := a.upload(ctx, fmt.Sprintf("s%d.RU", seed), bytes.NewReader(data), "&wait=30")
			if err != nil {
				return nil, err
			}
			if d.Status != "done" {
				return nil, fmt.Errorf("upload: decode is %s", d.Status)
			}
			took = append(took, ms(time.Since(began)))
		}
		p50, p99 = append(p50, took.median()), append(p99, took.quantile(0.99))
	}
	return []figure{
		{"12 kB upload stored, decoded, answered: p50, ms", "≤ 20", p50.String()},
		{"12 kB upload stored, decoded, answered: p99, ms", "–", p99.String()},
	}, a.stop()
}

// measureMany times a thousand small recordings from eight clients until the last one is decoded.
func measureMany(ctx context.Context, b *bench) ([]figure, error) {
	var rate spread
	for r := range b.runs {
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		const files, clients = 1000, 8
		recordings := make([][]byte, files)
		for i := range recordings {
			recordings[i] = recording(uint64(r*files+i), 10_000)
		}
		began := time.Now()
		if err := storeAll(ctx, a, recordings, clients); err != nil {
			return nil, err
		}
		rate = append(rate, files/time.Since(began).Seconds())
		if err := a.stop(); err != nil {
			return nil, err
		}
	}
	return []figure{{"1,000 × 10 kB, 8 clients, stored and decoded, files/s", "≥ 150", rate.String()}}, nil
}

func storeAll(ctx context.Context, a *appliance, recordings [][]byte, clients int) error {
	var next atomic.Int64
	errs := make([]error, clients)
	ids := make([]string, len(recordings))
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(recordings) {
					return
				}
				d, err := a.upload(ctx, fmt.Sprintf("m%d.RU", i), bytes.NewReader(recordings[i]), "")
				if err != nil {
					errs[c] = err
					return
				}
				ids[i] = d.ID
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	for _, id := range ids {
		d, err := a.final(ctx, id)
		if err != nil {
			return err
		}
		if d.Status != "done" {
			return fmt.Errorf("decode %s is %s", id, d.Status)
		}
	}
	return nil
}

// measureUpload compares storing an upload with writing, hashing and flushing the same bytes locally, in turn.
func measureUpload(ctx context.Context, b *bench) ([]figure, error) {
	a, err := b.appliance(ctx)
	if err != nil {
		return nil, err
	}
	var rate, ratio spread
	for r := range b.runs {
		local, err := writeHashSync(filepath.Join(b.work, "local"), uploadBytes)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		body := &noise{left: uploadBytes, seed: byte(r + 1)}
		if _, err := a.upload(ctx, fmt.Sprintf("u%d.bin", r), body, "&decode=false"); err != nil {
			return nil, err
		}
		took := time.Since(began)
		rate = append(rate, uploadBytes/mib/took.Seconds())
		ratio = append(ratio, local.Seconds()/took.Seconds())
	}
	return []figure{
		{"upload of 256 MiB, MiB/s", "–", rate.String()},
		{"upload ÷ local write + SHA-256 + fsync", "≥ 0.5", ratio.String()},
	}, a.stop()
}

// noise gives bytes that no format begins with, and no two runs the same.
type noise struct {
	left int64
	seed byte
}

var block = bytes.Repeat([]byte{0xEE, 0x17, 0x99, 0x03}, 64<<10/4)

func (n *noise) Read(p []byte) (int, error) {
	if n.left == 0 {
		return 0, io.EOF
	}
	k := copy(p[:min(int64(len(p)), n.left)], block)
	p[0] = n.seed
	n.left -= int64(k)
	return k, nil
}

func recording(seed uint64, n int) []byte {
	return railtest.Recording(railtest.Options{Seed: seed, Bytes: n})
}

// large gives a recording of so many bytes, made while it is read.
func large(n int64) io.Reader {
	r, w := io.Pipe()
	go func() { w.CloseWithError(railtest.WriteLarge(w, n, railtest.Options{Seed: 1})) }() // ends with the reader
	return r
}
