package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

const (
	readClients = 16
	readTime    = 2 * time.Second // that a figure of reads is measured for
	readFiles   = 200
)

// bare starts the bare server on a data folder.
func (b *bench) bare(ctx context.Context, dir string) (*appliance, func(), error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bare", dir) //nolint:gosec // this program itself
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, fmt.Errorf("start bare server: %w", err)
	}
	a, err := started(cmd)
	if err != nil {
		return nil, nil, err
	}
	return a, func() {
		_ = in.Close()
		<-a.ended
	}, nil
}

// reads has clients read for a while and gives how many answers there were a second.
func reads(ctx context.Context, url string, path func(client, n int) string) (float64, error) {
	errs, done := make([]error, readClients), make([]int, readClients)
	began := time.Now()
	var all sync.WaitGroup
	for c := range readClients {
		all.Go(func() {
			conn, err := dialRaw(ctx, url)
			if errs[c] = err; err != nil {
				return
			}
			defer conn.close()
			for time.Since(began) < readTime && errs[c] == nil {
				_, errs[c] = conn.get(path(c, done[c]))
				done[c]++
			}
		})
	}
	all.Wait()
	sum := 0
	for _, n := range done {
		sum += n
	}
	return float64(sum) / time.Since(began).Seconds(), errors.Join(errs...)
}

// measureHTTPReads compares reading JSON with bare Echo handlers that read the same records from the same database, in turn.
func measureHTTPReads(ctx context.Context, b *bench) ([]figure, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	var ids []string
	one := func(client, n int) string { return "/api/v1/files/" + ids[(client*31+n)%len(ids)] }
	list := func(int, int) string { return "/api/v1/decodes?limit=100" }
	var own, bare, ownList, bareList, ratio, ratioList spread
	for r := range b.runs {
		a, err := b.applianceOn(ctx, dir)
		if err != nil {
			return nil, err
		}
		if r == 0 {
			if ids, err = readable(ctx, a); err != nil {
				return nil, err
			}
		}
		single, err := reads(ctx, a.url, one)
		if err != nil {
			return nil, err
		}
		many, err := reads(ctx, a.url, list)
		if err := errors.Join(err, a.stop()); err != nil {
			return nil, err
		}
		e, end, err := b.bare(ctx, dir)
		if err != nil {
			return nil, err
		}
		bareSingle, err := reads(ctx, e.url, one)
		if err != nil {
			return nil, err
		}
		bareMany, err := reads(ctx, e.url, list)
		if end(); err != nil {
			return nil, err
		}
		own, bare, ratio = append(own, single), append(bare, bareSingle), append(ratio, single/bareSingle)
		ownList, bareList, ratioList = append(ownList, many), append(bareList, bareMany), append(ratioList, many/bareMany)
	}
	return []figure{
		{"http: GET of a file, 16 clients, 1/s", "–", own.String()},
		{"http: a bare Echo handler reading the same record, 1/s", "–", bare.String()},
		{"GET of a file ÷ bare Echo handler", "≥ 0.7", ratio.String()},
		{"http: GET of 100 decodes, 16 clients, 1/s", "–", ownList.String()},
		{"http: a bare Echo handler reading the same records, 1/s", "–", bareList.String()},
		{"GET of 100 decodes ÷ bare Echo handler", "≥ 0.7", ratioList.String()},
	}, nil
}

// readable stores files with decodes and gives the ids of the files.
func readable(ctx context.Context, a *appliance) ([]string, error) {
	recordings := make([][]byte, readFiles)
	for i := range recordings {
		recordings[i] = recording(uint64(i), 4_000)
	}
	if err := storeAll(ctx, a, recordings, 8); err != nil {
		return nil, err
	}
	var all struct {
		Items []struct {
			ID string `json:"id"`
		} `json:"items"`
	}
	if err := a.do(ctx, http.MethodGet, "/api/v1/files?limit=1000&fields=id", "", nil, &all); err != nil {
		return nil, err
	}
	ids := make([]string, len(all.Items))
	for i, it := range all.Items {
		ids[i] = it.ID
	}
	return ids, nil
}

// largestTable decodes a recording and gives the address of its largest table, without its form.
func (b *bench) largestTable(ctx context.Context, a *appliance, n int64) (decodeID, table string, rows int64, err error) {
	path := filepath.Join(b.work, "tables.RU")
	if err := writeRecording(path, n); err != nil {
		return "", "", 0, err
	}
	defer os.Remove(path)
	file, err := a.store(ctx, path)
	if err != nil {
		return "", "", 0, err
	}
	d, err := a.again(ctx, file, true)
	if err != nil {
		return "", "", 0, err
	}
	var tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
	}
	if err := a.do(ctx, http.MethodGet, "/api/v1/decodes/"+d.ID+"/tables", "", nil, &tables); err != nil {
		return "", "", 0, err
	}
	for _, t := range tables {
		if t.Rows > rows {
			table, rows = t.Name, t.Rows
		}
	}
	return d.ID, table, rows, nil
}

// measureHTTPRows times pages of ten thousand rows, from anywhere in a table.
func measureHTTPRows(ctx context.Context, b *bench) ([]figure, error) {
	a, err := b.appliance(ctx)
	if err != nil {
		return nil, err
	}
	id, table, rows, err := b.largestTable(ctx, a, 20e6)
	if err != nil {
		return nil, err
	}
	conn, err := dialRaw(ctx, a.url)
	if err != nil {
		return nil, err
	}
	defer conn.close()
	var p50, p95 spread
	for range b.runs {
		var took spread
		cursor := ""
		for range 60 {
			began := time.Now()
			body, err := conn.get("/api/v1/decodes/" + id + "/tables/" + table + "/rows?limit=10000" + cursor)
			if err != nil {
				return nil, err
			}
			took = append(took, ms(time.Since(began)))
			var page struct {
				Next *string           `json:"next_cursor"`
				Rows []json.RawMessage `json:"rows"`
			}
			if err := json.Unmarshal(body, &page); err != nil {
				return nil, fmt.Errorf("read page: %w", err)
			}
			if cursor = ""; page.Next != nil {
				cursor = "&cursor=" + *page.Next
			}
		}
		p50, p95 = append(p50, took.median()), append(p95, took.quantile(0.95))
	}
	name := fmt.Sprintf("page of 10,000 rows of %s (%d rows), ", table, rows)
	return []figure{{name + "p50, ms", "–", p50.String()}, {name + "p95, ms", "≤ 30", p95.String()}}, a.stop()
}

// download reads an answer and gives how long that takes.
func (a *appliance) download(ctx context.Context, path string, buf []byte) (time.Duration, error) {
	began := time.Now()
	resp, err := a.send(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0, err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, resp.Body, buf)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return 0, fmt.Errorf("download %s: %w", path, err)
	}
	return time.Since(began), nil
}

// measureHTTPParquet compares the download of a stored table with net/http's server of files on the same file, one download
// of each in turn: what else the machine does meets both.
func measureHTTPParquet(ctx context.Context, b *bench) ([]figure, error) {
	dir, err := b.folder()
	if err != nil {
		return nil, err
	}
	a, err := b.applianceOn(ctx, dir)
	if err != nil {
		return nil, err
	}
	id, table, _, err := b.largestTable(ctx, a, 200e6)
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(dir, "results", "*", table+".parquet"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("the stored file of %s is one of %d: %w", table, len(files), err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return nil, fmt.Errorf("look at the stored file: %w", err)
	}
	e, end, err := b.bare(ctx, filepath.Dir(files[0]))
	if err != nil {
		return nil, err
	}
	defer end()
	buf := make([]byte, 256<<10)
	from := []func() (time.Duration, error){
		func() (time.Duration, error) {
			return a.download(ctx, "/api/v1/decodes/"+id+"/tables/"+table+".parquet", buf)
		},
		func() (time.Duration, error) { return e.download(ctx, "/static/"+filepath.Base(files[0]), buf) },
	}
	var own, static, ratio spread
	for range b.runs {
		var took [2]spread
		for range max(10, 2e9/info.Size()) {
			for i, get := range from {
				d, err := get()
				if err != nil {
					return nil, err
				}
				took[i] = append(took[i], d.Seconds())
			}
		}
		size := float64(info.Size()) / mib
		own, static = append(own, size/took[0].median()), append(static, size/took[1].median())
		ratio = append(ratio, took[1].median()/took[0].median())
	}
	name := fmt.Sprintf("download of a Parquet table of %d MB", info.Size()/1e6)
	return []figure{
		{name + ", MiB/s", "–", own.String()},
		{"the same file from net/http's file server, MiB/s", "–", static.String()},
		{"Parquet download ÷ static file server", "≥ 0.8", ratio.String()},
	}, a.stop()
}
