package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// speedBytes is the recording whose decoding is timed.
const speedBytes = 200e6

// measureSpeed times the decode of a large recording as the API tells it (field duration: from the start of the job
// to the durable result), with and without its largest table, in turn with the same decoder compiled natively that
// writes the same files.
func measureSpeed(ctx context.Context, b *bench) ([]figure, error) {
	path := filepath.Join(b.work, "speed.RU")
	if err := writeRecording(path, speedBytes); err != nil {
		return nil, err
	}
	defer os.Remove(path)
	a, err := b.appliance(ctx)
	if err != nil {
		return nil, err
	}
	file, err := a.store(ctx, path)
	if err != nil {
		return nil, err
	}
	var out []figure
	for _, c := range []struct {
		name      string
		variables bool
		reach     string
	}{
		{"all tables", true, "≥ 25"},
		{"without variables", false, "≥ 40"},
	} {
		var rate, ratio spread
		var rows int64
		for range b.runs {
			d, err := a.again(ctx, file, c.variables)
			if err != nil {
				return nil, err
			}
			n, err := b.native(path, c.variables)
			if err != nil {
				return nil, err
			}
			if n.rows != d.Rows {
				return nil, fmt.Errorf("the appliance made %d rows, the native decoder %d", d.Rows, n.rows)
			}
			rows = d.Rows
			rate = append(rate, speedBytes/1e6/d.Duration)
			ratio = append(ratio, n.took.Seconds()/d.Duration)
		}
		out = append(out,
			figure{fmt.Sprintf("decode of 200 MB, %s (%d rows), Decode.duration, MB/s", c.name, rows), c.reach, rate.String()},
			figure{"÷ the same decoder compiled natively writing the same Parquet", "≥ 0.5", ratio.String()},
		)
	}
	return out, a.stop()
}
