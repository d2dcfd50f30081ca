package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// seriesSizes are recordings of a day with a record each second, and of a month.
func seriesSizes() []int64 { return []int64{3_500_000, 104_000_000} }

// seriesAsks is how often a run asks for a series.
const seriesAsks = 40

// measureHTTPSeries times charts of 2,000 points: of a whole table, as a page draws it first, and of a stretch of it, as it
// draws when somebody looks closer.
func measureHTTPSeries(ctx context.Context, b *bench) ([]figure, error) {
	var out []figure
	for _, size := range seriesSizes() {
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		id, rows, err := b.records(ctx, a, size)
		if err != nil {
			return nil, err
		}
		whole, near, err := b.series(ctx, a, id, rows)
		if err != nil {
			return nil, err
		}
		name := fmt.Sprintf("series of 2,000 points of %d rows, ", rows)
		out = append(out, figure{name + "whole, p95, ms", "–", whole.String()}, figure{name + "a hundredth of it, p95, ms", "–", near.String()})
		if err := a.stop(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// records decodes a recording of so many bytes and gives the number of its records.
func (b *bench) records(ctx context.Context, a *appliance, size int64) (decodeID string, rows int64, err error) {
	path := filepath.Join(b.work, "series.RU")
	if err := writeRecording(path, size); err != nil {
		return "", 0, err
	}
	defer os.Remove(path)
	file, err := a.store(ctx, path)
	if err != nil {
		return "", 0, err
	}
	d, err := a.again(ctx, file, false)
	if err != nil {
		return "", 0, err
	}
	var tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
	}
	if err := a.do(ctx, http.MethodGet, "/api/v1/decodes/"+d.ID+"/tables", "", nil, &tables); err != nil {
		return "", 0, err
	}
	for _, t := range tables {
		if t.Name == "records" {
			return d.ID, t.Rows, nil
		}
	}
	return "", 0, fmt.Errorf("decode %s has no records", d.ID)
}

// series asks for series, and gives the time that nineteen of twenty take in each run.
func (b *bench) series(ctx context.Context, a *appliance, id string, rows int64) (whole, near spread, err error) {
	all := "/api/v1/decodes/" + id + "/tables/records/series?x=seq&y=speed_kmh,location_m&points=2000"
	conn, err := dialRaw(ctx, a.url)
	if err != nil {
		return nil, nil, err
	}
	defer conn.close()
	rnd := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // places to look at
	for range b.runs {
		var far, part spread
		for range seriesAsks {
			began := time.Now()
			if _, err := conn.get(all); err != nil {
				return nil, nil, err
			}
			far = append(far, ms(time.Since(began)))
			from := rnd.Int64N(rows * 98 / 100)
			stretch := url.Values{"from": {fmt.Sprint(from)}, "to": {fmt.Sprint(from + rows/100)}}
			began = time.Now()
			if _, err := conn.get(all + "&" + stretch.Encode()); err != nil {
				return nil, nil, err
			}
			part = append(part, ms(time.Since(began)))
		}
		whole, near = append(whole, far.quantile(0.95)), append(near, part.quantile(0.95))
	}
	return whole, near, nil
}
