package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"time"
)

const largeUpload = 1 << 30

// way is how a large recording is uploaded.
type way struct {
	name  string
	piece int64 // 0 = one raw body
	reach string
	took  spread // ratio to local
}

// measurePieces compares uploading 1 GiB, as one body and in pieces that resume, with writing, hashing and flushing as
// much locally, in turn, and looks how much memory that takes.
func measurePieces(ctx context.Context, b *bench) ([]figure, error) {
	a, err := b.appliance(ctx)
	if err != nil {
		return nil, err
	}
	ways := []*way{
		{name: "raw", reach: "≥ 0.7"},
		{name: "tus, one piece", piece: largeUpload, reach: "≥ 0.7"},
		{name: "tus, pieces of 16 MiB", piece: 16 * mib, reach: "–"},
		{name: "tus, pieces of 1 MiB", piece: mib, reach: "–"},
	}
	before, err := a.memory()
	if err != nil {
		return nil, err
	}
	var extra int64
	var rate spread
	for r := range b.runs {
		local, err := writeHashSync(filepath.Join(b.work, "local"), largeUpload)
		if err != nil {
			return nil, err
		}
		rate = append(rate, largeUpload/mib/local.Seconds())
		for i, w := range ways {
			var took time.Duration
			most, err := a.most(ctx, func() (err error) {
				took, err = a.uploadLarge(ctx, w.piece, byte(1+r*len(ways)+i))
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			extra = max(extra, most-before)
			w.took = append(w.took, local.Seconds()/took.Seconds())
		}
	}
	figs := []figure{{"pieces: local write + SHA-256 + fsync of 1 GiB, MiB/s", "–", rate.String()}}
	for _, w := range ways {
		figs = append(figs, figure{"pieces: 1 GiB " + w.name + " ÷ local", w.reach, w.took.String()})
	}
	figs = append(figs, figure{"pieces: memory over idle, MiB PSS", "≤ 32", number(float64(extra) / mib)})
	return figs, a.stop()
}

// most gives the largest memory of the appliance while fn runs.
func (a *appliance) most(ctx context.Context, fn func() error) (int64, error) {
	watch, cancel := context.WithCancel(ctx)
	seen := make(chan int64)
	go func() {
		var most int64
		for watch.Err() == nil {
			if m, err := a.memory(); err == nil {
				most = max(most, m)
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-watch.Done():
			}
		}
		seen <- most
	}()
	err := fn()
	cancel()
	return <-seen, err
}

// uploadLarge uploads 1 GiB and removes the file again. The time is until the answer that says it is a file.
func (a *appliance) uploadLarge(ctx context.Context, piece int64, seed byte) (took time.Duration, err error) {
	body := &noise{left: largeUpload, seed: seed}
	began := time.Now()
	var file string
	if piece == 0 {
		var up struct {
			File struct {
				ID string `json:"id"`
			} `json:"file"`
		}
		err = a.do(ctx, http.MethodPost, "/api/v1/files?name=large.bin&decode=false", "application/octet-stream", body, &up)
		file = up.File.ID
	} else {
		file, err = a.tus(ctx, body, largeUpload, piece)
	}
	took = time.Since(began)
	if err != nil {
		return 0, err
	}
	return took, a.do(ctx, http.MethodDelete, "/api/v1/files/"+file, "", nil, nil)
}

// tus uploads a body in pieces.
func (a *appliance) tus(ctx context.Context, body io.Reader, size, piece int64) (file string, err error) {
	head, err := a.tusStep(ctx, http.MethodPost, "/api/v1/uploads", nil, "Upload-Length", strconv.FormatInt(size, 10))
	if err != nil {
		return "", err
	}
	at := head.Get("Location")
	for offset := int64(0); offset < size; offset += piece {
		head, err = a.tusStep(ctx, http.MethodPatch, at, io.LimitReader(body, min(piece, size-offset)),
			"Upload-Offset", strconv.FormatInt(offset, 10), "Content-Type", "application/offset+octet-stream")
		if err != nil {
			return "", err
		}
	}
	if file = head.Get("X-File-ID"); file == "" {
		return "", errors.New("the last answer names no file")
	}
	return file, nil
}

func (a *appliance) tusStep(ctx context.Context, method, path string, body io.Reader, headers ...string) (http.Header, error) {
	res, err := a.send(ctx, method, path, body, append(headers, "Tus-Resumable", "1.0.0")...)
	if err != nil {
		return nil, err
	}
	return res.Header, res.Body.Close() //nolint:wrapcheck // there is nothing in it
}
