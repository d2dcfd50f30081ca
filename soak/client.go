package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// target is the appliance as the clients see it, for one life of its process.
type target struct {
	url   string
	http  *http.Client
	tally *tally
	book  *ledger
	jobs  *jobBook
	dying atomic.Bool // the runner is ending the process: failures prove nothing
	// provoked says which refusals the phase provokes; nil = none.
	provoked func(kind string, status int, code string) bool
}

func newTarget(url string, t *tally, book *ledger, jobs *jobBook) *target {
	return &target{
		url: url, tally: t, book: book, jobs: jobs,
		http: &http.Client{Transport: &http.Transport{
			MaxIdleConnsPerHost: 64, IdleConnTimeout: 20 * time.Second, DisableCompression: true,
		}},
	}
}

func (g *target) close() { g.http.CloseIdleConnections() }

// problem is an error document of the API.
type problem struct {
	Status int    `json:"status"`
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Error implements error.
func (p *problem) Error() string { return fmt.Sprintf("%d %s: %s", p.Status, p.Code, p.Detail) }

// request is one call of the API.
type request struct {
	kind   string // for the figures
	method string
	path   string
	header map[string]string
	body   io.Reader
	into   any // takes a JSON answer
}

// do sends a request, decodes the answer or gives it to read, where that is wanted, and reads it to its end. An answer
// of 400 and above is a *problem.
func (g *target) do(ctx context.Context, r request, read func(*http.Response) error) (int, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, g.url+r.path, r.body)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.kind, err)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	for k, v := range r.header {
		req.Header.Set(k, v)
	}
	began := time.Now()
	resp, err := g.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", r.kind, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 400 {
		return resp.StatusCode, readProblem(resp)
	}
	switch {
	case read != nil:
		err = read(resp)
	case r.into != nil:
		err = json.NewDecoder(resp.Body).Decode(r.into)
	}
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err != nil {
		return resp.StatusCode, fmt.Errorf("%s: %w", r.kind, err)
	}
	g.tally.took(r.kind, time.Since(began))
	return resp.StatusCode, nil
}

func readProblem(resp *http.Response) error {
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return fmt.Errorf("answer %d: %w", resp.StatusCode, err)
	}
	p := &problem{}
	if ct := resp.Header.Get("Content-Type"); !strings.HasPrefix(ct, "application/problem+json") || json.Unmarshal(data, p) != nil {
		return &problem{Status: resp.StatusCode, Code: "no_problem_document", Detail: fmt.Sprintf("%s: %.200s", ct, data)}
	}
	return p
}

// get reads a JSON answer.
func (g *target) get(ctx context.Context, kind, path string, out any) error {
	_, err := g.do(ctx, request{kind: kind, method: http.MethodGet, path: path, into: out}, nil)
	return err
}

// judge books a failure: as a broken promise, unless the runner provoked it. It reports whether there was one.
func (g *target) judge(ctx context.Context, kind string, err error) (failed bool) {
	if err == nil {
		return false
	}
	var p *problem
	switch {
	case ctx.Err() != nil:
	case errors.As(err, &p):
		label := strconv.Itoa(p.Status) + " " + p.Code
		if g.dying.Load() || g.provoked != nil && g.provoked(kind, p.Status, p.Code) {
			g.tally.refused(label)
			return true
		}
		g.tally.broke("refused", "%s: %v", kind, p)
	case g.dying.Load():
		g.tally.refused("connection cut")
	default:
		g.tally.broke("failed", "%v", err)
	}
	return true
}

// isCode reports whether err is a problem of this code.
func isCode(err error, code string) bool {
	var p *problem
	return errors.As(err, &p) && p.Code == code
}

// file and decode are what the runner reads of the API's objects.
type file struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Size      int64     `json:"size"`
	SHA256    string    `json:"sha256"`
	Format    *string   `json:"format"`
	Decodes   []string  `json:"decodes"`
	CreatedAt time.Time `json:"created_at"`
}

type decode struct {
	ID     string `json:"id"`
	FileID string `json:"file_id"`
	Status string `json:"status"`
	Cached bool   `json:"cached"`
	Rows   int64  `json:"rows"`
	Tables []struct {
		Name string `json:"name"`
		Rows int64  `json:"rows"`
	} `json:"tables"`
	Error *struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
	CreatedAt  *time.Time `json:"created_at"`
	StartedAt  *time.Time `json:"started_at"`
	FinishedAt *time.Time `json:"finished_at"`
	Duration   *float64   `json:"duration"`
}

func (d *decode) ended() bool { return d.Status != "queued" && d.Status != "running" }

func (d *decode) records() int64 {
	for _, t := range d.Tables {
		if t.Name == "records" {
			return t.Rows
		}
	}
	return 0
}

// page is one answer of a list.
type page[T any] struct {
	Items []T     `json:"items"`
	Next  *string `json:"next_cursor"`
}

func separator(path string) string {
	if strings.Contains(path, "?") {
		return "&"
	}
	return "?"
}

// walk reads a list page by page; each is given to fn, which says whether to go on.
func walk[T any](ctx context.Context, g *target, kind, path string, limit int, fn func([]T) bool) error {
	cursor := ""
	for {
		var p page[T]
		if err := g.get(ctx, kind, fmt.Sprintf("%s%slimit=%d&cursor=%s", path, separator(path), limit, cursor), &p); err != nil {
			return err
		}
		if !fn(p.Items) || p.Next == nil {
			return nil
		}
		cursor = *p.Next
	}
}
