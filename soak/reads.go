package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// table picks a stored file with tables and gives the base path of its records.
func (c *client) table() (e *entry, base string) {
	e = c.book.pick(c.rnd, func(e *entry) bool { return e.final && e.facts.records > 0 })
	if e == nil {
		return nil, ""
	}
	return e, "/api/v1/decodes/" + c.book.view(e).decodes[0] + "/tables/records"
}

// rows reads a page of rows from somewhere in a table.
func (c *client) rows(ctx context.Context) {
	e, base := c.table()
	if e == nil {
		return
	}
	defer c.book.release(e)
	cursor := ""
	left := e.facts.records
	for range 1 + c.rnd.IntN(3) {
		var p struct {
			Rows [][]any `json:"rows"`
			Next *string `json:"next_cursor"`
		}
		err := c.get(ctx, "rows", base+"/rows?limit=200&cursor="+cursor, &p)
		if c.judge(ctx, "rows", err) || err != nil {
			return
		}
		if int64(len(p.Rows)) != min(200, left) {
			c.tally.broke("rows", "a page of %s has %d rows where %d are left", e.name, len(p.Rows), left)
			return
		}
		if left -= int64(len(p.Rows)); p.Next == nil {
			break
		}
		cursor = *p.Next
	}
}

// parquet reads the end and a part of a stored table, as programs do.
func (c *client) parquet(ctx context.Context) {
	e, base := c.table()
	if e == nil {
		return
	}
	defer c.book.release(e)
	var size int64
	_, err := c.do(ctx, request{kind: "parquet head", method: http.MethodHead, path: base + ".parquet"}, func(r *http.Response) error {
		size = r.ContentLength
		return nil
	})
	if c.judge(ctx, "parquet head", err) || err != nil {
		return
	}
	if tail := c.part(ctx, base, max(0, size-8), size); tail != nil && !bytes.HasSuffix(tail, []byte("PAR1")) {
		c.tally.broke("damaged", "the table of %s does not end as Parquet does: %x", e.name, tail)
	}
	from := c.rnd.Int64N(max(1, size))
	c.part(ctx, base, from, min(size, from+16<<10))
}

// part reads the bytes [from, to) of a stored table.
func (c *client) part(ctx context.Context, base string, from, to int64) []byte {
	var got []byte
	status, err := c.do(ctx, request{
		kind: "parquet range", method: http.MethodGet, path: base + ".parquet",
		header: map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, to-1)},
	}, func(r *http.Response) (err error) {
		got, err = io.ReadAll(r.Body)
		return err
	})
	if c.judge(ctx, "parquet range", err) || err != nil {
		return nil
	}
	if status != http.StatusPartialContent || int64(len(got)) != to-from {
		c.tally.broke("damaged", "range %d-%d of %s: %d with %d bytes", from, to, base, status, len(got))
		return nil
	}
	return got
}

// export reads a whole table as text and counts its lines.
func (c *client) export(ctx context.Context) {
	e, base := c.table()
	if e == nil {
		return
	}
	defer c.book.release(e)
	form, extra := "csv", int64(1)
	if c.rnd.IntN(2) == 0 {
		form, extra = "ndjson", 0
	}
	c.countLines(ctx, request{kind: form + " export", method: http.MethodGet, path: base + "." + form}, e, e.facts.records+extra)
}

func (c *client) countLines(ctx context.Context, r request, e *entry, want int64) {
	var n int64
	_, err := c.do(ctx, r, func(resp *http.Response) error {
		var err error
		n, err = lines(resp.Body)
		return err
	})
	if c.judge(ctx, r.kind, err) || err != nil {
		return
	}
	if n != want {
		c.tally.broke("rows", "%s of %s has %d lines of %d", r.kind, e.name, n, want)
	}
}

func lines(r io.Reader) (n int64, err error) {
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte("\n")))
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read lines: %w", err)
		}
	}
}

// direct decodes a recording without storing it.
func (c *client) direct(ctx context.Context) {
	r := recipe{Kind: small, Seed: c.rnd.Uint64(), Size: 4000 + c.rnd.Int64N(16_000)}
	f, err := r.measure()
	if err != nil {
		c.tally.broke("runner", "%v", err)
		return
	}
	body, done := r.body()
	defer done()
	c.countLines(ctx, request{
		kind: "direct decode", method: http.MethodPost, path: "/api/v1/decode?to=csv&table=records", body: body,
	}, &entry{name: "a direct decode", recipe: r, facts: f}, f.records+1)
}

// content reads a stored recording and compares it with what was sent.
func (c *client) content(ctx context.Context) {
	e := c.book.pick(c.rnd, func(*entry) bool { return true })
	if e == nil {
		return
	}
	defer c.book.release(e)
	c.checkContent(ctx, e, c.book.view(e).file)
}

func (c *client) checkContent(ctx context.Context, e *entry, id string) {
	h := sha256.New()
	_, err := c.do(ctx, request{kind: "content", method: http.MethodGet, path: "/api/v1/files/" + id + "/content"}, func(r *http.Response) error {
		_, err := io.Copy(h, r.Body)
		return err
	})
	if c.judge(ctx, "content of "+id, err) || err != nil {
		return
	}
	if got := hex.EncodeToString(h.Sum(nil)); got != e.facts.sha {
		c.tally.broke("damaged", "the content of %s (%s) has sha256 %s, sent was %s", id, e.name, got, e.facts.sha)
	}
}

// watch reads what an operator looks at.
func (c *client) watch(ctx context.Context) {
	paths := []string{"/metrics", "/health/ready", "/health/live", "/api/v1/system", "/api/v1/plugins"}
	path := paths[c.rnd.IntN(len(paths))]
	_, err := c.do(ctx, request{kind: "watch", method: http.MethodGet, path: path}, func(r *http.Response) error {
		_, err := io.Copy(io.Discard, bufio.NewReader(r.Body))
		return err
	})
	c.judge(ctx, "watch "+path, err)
}

// maxWalk is up to how many files a list is read to its end.
const maxWalk = 1500

// list walks the files, or the newest of them, and sees that the order is right and no file is missing or there twice.
func (c *client) list(ctx context.Context) {
	owed := map[string]*entry{}
	whole := c.book.size() <= maxWalk
	if whole {
		for _, e := range c.book.entries() {
			if v := c.book.view(e); v.state == stored {
				owed[v.file] = e
			}
		}
	}
	last, pages := "", 0
	err := walk(ctx, c.target, "list files", "/api/v1/files", 50+c.rnd.IntN(200), func(items []file) bool {
		for _, f := range items {
			if last != "" && f.ID >= last {
				c.tally.broke("order", "file %s is listed after %s", f.ID, last)
			}
			last = f.ID
			delete(owed, f.ID)
		}
		pages++
		return whole || pages < 3
	})
	if c.judge(ctx, "list files", err) || err != nil {
		return
	}
	for id, e := range owed {
		if c.book.view(e).state == stored { // not deleted meanwhile
			c.tally.broke("lost", "file %s (%s) is not listed", id, e.name)
		}
	}
	c.tally.add("list walks", 1)
}

// listDecodes reads some pages of the decodes.
func (c *client) listDecodes(ctx context.Context) {
	pages := 0
	err := walk(ctx, c.target, "list decodes", "/api/v1/decodes", 20+c.rnd.IntN(100), func([]decode) bool {
		pages++
		return pages < 3
	})
	c.judge(ctx, "list decodes", err)
}
