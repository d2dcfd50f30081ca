package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// flatWithin is what the memory at the largest recording may be above that at 100 MB: a tenth and this.
const flatWithin = 16 * mib

// measureMemory follows the memory of server and workers while recordings of several sizes are stored and decoded:
// it must not grow with them.
func measureMemory(ctx context.Context, b *bench) ([]figure, error) {
	var out []figure
	var base int64
	sizes := []int64{10e6, 100e6, 1 << 30, b.most}
	slices.Sort(sizes)
	for _, n := range slices.Compact(sizes) {
		if n > b.most {
			break
		}
		peak, d, err := b.peak(ctx, n)
		if err != nil {
			return nil, err
		}
		reach := "≤ 256"
		if n == 100e6 {
			base = peak
		} else if n > 100e6 {
			reach = fmt.Sprintf("≤ 256 and ≤ %.0f", float64(min(base+base/10+flatWithin, 256*mib))/mib)
		}
		out = append(out, figure{
			fmt.Sprintf("recording of %d MB (%d rows), peak of server and workers, MiB PSS", n/1e6, d.Rows), reach,
			fmt.Sprintf("%.0f (decoded at %.0f MB/s)", float64(peak)/mib, float64(n)/1e6/d.Duration),
		})
	}
	return out, nil
}

// peak stores and decodes a recording in an appliance of its own and gives the most memory that was seen. The data
// folder is removed at once: the largest ones would fill small disks.
func (b *bench) peak(ctx context.Context, n int64) (most int64, d decode, err error) {
	dir, err := b.folder()
	if err != nil {
		return 0, d, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	a, err := startAppliance(ctx, b.bin, dir)
	if err != nil {
		return 0, d, err
	}
	defer func() { err = errors.Join(err, a.stop()) }()
	if err := a.compiled(ctx); err != nil {
		return 0, d, err
	}
	watch, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for watch.Err() == nil {
			if m, err := a.memory(); err == nil {
				most = max(most, m)
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-watch.Done():
			}
		}
	}()
	d, err = a.upload(ctx, "large.RU", large(n), "")
	if err == nil {
		d, err = a.final(ctx, d.ID)
	}
	cancel()
	<-done
	if err == nil && d.Status != "done" {
		err = fmt.Errorf("decode is %s", d.Status)
	}
	return most, d, err
}
