package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
)

// DefaultLimit and MaxLimit bound the items of one answer of a list.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// FileQuery selects files; an empty field selects all.
type FileQuery struct {
	Name   string // contained in the name, whatever the case
	Format string
	SHA256 string
	Source Source
	Parent string // id of the file that it was found in
	Limit  int
	Cursor string // of an earlier answer
}

// DecodeQuery selects decodes; an empty field selects all.
type DecodeQuery struct {
	FileID  string
	Status  Status
	Decoder string // plugin id
	Format  string
	Limit   int
	Cursor  string
}

// Files lists files, the newest first, and gives the cursor of the next answer, "" at the end.
func (c *Catalog) Files(ctx context.Context, q FileQuery) (items []File, next string, err error) {
	name := strings.ToLower(q.Name)
	keep := func(f File) bool {
		return (name == "" || strings.Contains(strings.ToLower(f.Name), name)) &&
			(q.Format == "" || f.Format == q.Format) && (q.SHA256 == "" || f.SHA256 == q.SHA256) &&
			(q.Source == "" || f.Source == q.Source) && (q.Parent == "" || f.Parent != nil && f.Parent.FileID == q.Parent)
	}
	return list(ctx, c.space, page{prefixFile, kindFile, q.Limit, q.Cursor}, keep, func(f File) string { return f.ID })
}

// Decodes lists decodes, the newest first, and gives the cursor of the next answer, "" at the end.
func (c *Catalog) Decodes(ctx context.Context, q DecodeQuery) (items []Decode, next string, err error) {
	keep := func(d Decode) bool {
		d = c.withProgress(d)
		return (q.FileID == "" || d.FileID == q.FileID) && (q.Status == "" || d.Status == q.Status) &&
			(q.Decoder == "" || (d.Decoder != nil && d.Decoder.ID == q.Decoder)) && (q.Format == "" || d.Format == q.Format)
	}
	items, next, err = list(ctx, c.space, page{prefixDecode, kindDecode, q.Limit, q.Cursor}, keep, func(d Decode) string { return d.ID })
	for i := range items {
		items[i] = c.withProgress(items[i])
	}
	return items, next, err
}

// DecodeOfJob finds the decode of a job by reading all of them: for the rare job whose own record is damaged.
func (c *Catalog) DecodeOfJob(ctx context.Context, jobID string) (Decode, error) {
	keep := func(d Decode) bool { return d.JobID == jobID }
	items, _, err := list(ctx, c.space, page{prefixDecode, kindDecode, 1, ""}, keep, func(d Decode) string { return d.ID })
	if err != nil {
		return Decode{}, err
	}
	if len(items) == 0 {
		return Decode{}, errcode.New(errcode.NotFound, "no decode has this job")
	}
	return items[0], nil
}

type page struct {
	prefix string
	kind   byte
	limit  int
	cursor string // the id of the last item of the answer before
}

func list[T any](ctx context.Context, space store.Space, p page, keep func(T) bool, id func(T) string) ([]T, string, error) {
	if p.limit <= 0 {
		p.limit = DefaultLimit
	}
	p.limit = min(p.limit, MaxLimit)
	scan := store.ScanOptions{Prefix: []byte(p.prefix), Reverse: true, After: true}
	if p.cursor != "" {
		if kind, _, err := store.ParseID(p.cursor); err != nil || kind != p.kind {
			return nil, "", errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
		scan.From = []byte(p.prefix + p.cursor)
	}
	items := []T{}
	next := ""
	err := space.Scan(ctx, scan, func(key, value []byte) (bool, error) {
		var v T
		if err := json.Unmarshal(value, &v); err != nil {
			return false, fmt.Errorf("decode record %s: %w", key, err)
		}
		if !keep(v) {
			return true, nil
		}
		if len(items) == p.limit {
			next = id(items[len(items)-1]) // there is at least one more
			return false, nil
		}
		items = append(items, v)
		return true, nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("list records: %w", err)
	}
	return items, next, nil
}
