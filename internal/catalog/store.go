package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/store"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/internal/zone"
)

// Key spaces below the catalog's own. Every key is the prefix and what follows it in braces:
//
//	f/{file}             File
//	d/{decode}           Decode
//	o/{file}/{decode}    the decodes of a file
//	h/{sha256}/{file}    the files that share a blob
//	k/{result}/{decode}  the decodes that share a result
//	p/{sha256}           Plugin
//	e/{file}/{child}     id of the file found inside a file under a name, with some bytes (childKey)
//	r/{file}             how many files were found inside a file that was delivered, however deep
//	b/{file}             the parts of a file, where they are many: parts.go
const (
	prefixFile     = "f/"
	prefixDecode   = "d/"
	prefixOfFile   = "o/"
	prefixOfBlob   = "h/"
	prefixOfResult = "k/"
	prefixPlugin   = "p/"
	prefixInFile   = "e/"
	prefixTree     = "r/"
)

// Kinds of ids, their first letter.
const (
	kindFile   = 'f'
	kindDecode = 'd'
)

// Catalog reads records and stages changes of them. It is safe for concurrent use. Two callers that decide on what
// they read, and then write, must agree on an order themselves: package ingest does so by the blob's digest.
type Catalog struct {
	space     store.Space
	fileSeq   *store.Sequence
	decodeSeq *store.Sequence

	mu      sync.Mutex          // guards what follows; no call is made under it
	running map[string]Progress // by decode id
	plugins map[string]*Plugin  // read through; a plugin version never changes
}

// Open opens the catalog in a database.
func Open(db *store.DB) (*Catalog, error) {
	files, err := db.Sequence("file")
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	decodes, err := db.Sequence("decode")
	if err != nil {
		return nil, fmt.Errorf("open catalog: %w", err)
	}
	return &Catalog{
		space: db.Space("c/"), fileSeq: files, decodeSeq: decodes,
		running: map[string]Progress{}, plugins: map[string]*Plugin{},
	}, nil
}

// NewFileID gives an id for a file, never given before.
func (c *Catalog) NewFileID(ctx context.Context) (string, error) {
	return nextID(ctx, c.fileSeq, kindFile)
}

// NewDecodeID gives an id for a decode, never given before.
func (c *Catalog) NewDecodeID(ctx context.Context) (string, error) {
	return nextID(ctx, c.decodeSeq, kindDecode)
}

func nextID(ctx context.Context, seq *store.Sequence, kind byte) (string, error) {
	n, err := seq.Next(ctx)
	if err != nil {
		return "", fmt.Errorf("take an id: %w", err)
	}
	return store.FormatID(kind, n), nil
}

// PutFile stages a new file.
func (c *Catalog) PutFile(b *store.Batch, f File) error {
	if err := c.putParts(b, &f); err != nil {
		return err
	}
	if err := c.put(b, prefixFile+f.ID, f.Brief()); err != nil {
		return err
	}
	b.Set(c.space, []byte(prefixOfBlob+f.SHA256+"/"+f.ID), nil)
	if f.Parent != nil {
		b.Set(c.space, childKey(f.Parent.FileID, f.Name, f.SHA256), []byte(f.ID))
	}
	return nil
}

// DeleteFile stages the removal of a file. Its decodes are deleted one by one by the caller.
func (c *Catalog) DeleteFile(b *store.Batch, f File) {
	b.Delete(c.space, []byte(prefixFile+f.ID))
	b.Delete(c.space, []byte(prefixParts+f.ID))
	b.Delete(c.space, []byte(prefixOfBlob+f.SHA256+"/"+f.ID))
	if f.Parent != nil {
		b.Delete(c.space, childKey(f.Parent.FileID, f.Name, f.SHA256))
	} else {
		b.Delete(c.space, []byte(prefixTree+f.ID))
	}
}

// PutDecode stages a new decode or its new state.
func (c *Catalog) PutDecode(b *store.Batch, d Decode) error {
	if err := c.put(b, prefixDecode+d.ID, d); err != nil {
		return err
	}
	b.Set(c.space, []byte(prefixOfFile+d.FileID+"/"+d.ID), nil)
	if d.ResultKey != "" {
		b.Set(c.space, []byte(prefixOfResult+d.ResultKey+"/"+d.ID), nil)
	}
	return nil
}

// DeleteDecode stages the removal of a decode.
func (c *Catalog) DeleteDecode(b *store.Batch, d Decode) {
	b.Delete(c.space, []byte(prefixDecode+d.ID))
	b.Delete(c.space, []byte(prefixOfFile+d.FileID+"/"+d.ID))
	c.UnlinkResult(b, d)
}

// UnlinkResult stages that a decode no longer refers to the result it was recorded with.
func (c *Catalog) UnlinkResult(b *store.Batch, d Decode) {
	if d.ResultKey != "" {
		b.Delete(c.space, []byte(prefixOfResult+d.ResultKey+"/"+d.ID))
	}
}

// PutPlugin stages the record of a plugin version, if it is not recorded yet.
func (c *Catalog) PutPlugin(b *store.Batch, p Plugin) error {
	if _, err := c.Plugin(p.SHA256); err == nil {
		return nil
	} else if !errcode.Is(err, errcode.NotFound) {
		return err
	}
	return c.put(b, prefixPlugin+p.SHA256, p)
}

func (c *Catalog) put(b *store.Batch, key string, v any) error {
	// Names full of < and > are not to take six times their bytes: what fits into one commit is counted in them.
	var data bytes.Buffer
	enc := json.NewEncoder(&data)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encode record %s: %w", key, err)
	}
	b.Set(c.space, []byte(key), bytes.TrimSuffix(data.Bytes(), []byte("\n")))
	return nil
}

// File gives a file.
func (c *Catalog) File(_ context.Context, id string) (File, error) {
	var f File
	err := c.get(prefixFile, id, kindFile, "file", &f)
	if err == nil {
		err = c.withParts(&f)
	}
	return f, err
}

// Decode gives a decode, with how far it is if it runs.
func (c *Catalog) Decode(_ context.Context, id string) (Decode, error) {
	var d Decode
	if err := c.get(prefixDecode, id, kindDecode, "decode", &d); err != nil {
		return Decode{}, err
	}
	return c.withProgress(d), nil
}

func (c *Catalog) get(prefix, id string, kind byte, what string, v any) error {
	if k, _, err := store.ParseID(id); err != nil || k != kind {
		return errcode.New(errcode.NotFound, "no such "+what)
	}
	data, err := c.space.Get([]byte(prefix + id))
	if errors.Is(err, store.ErrNotFound) {
		return errcode.New(errcode.NotFound, "no such "+what)
	}
	if err != nil {
		return fmt.Errorf("read %s %s: %w", what, id, err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		return errcode.Wrap(errcode.Internal, err, "the record of this "+what+" cannot be read")
	}
	return nil
}

// Plugin gives the record of a plugin version.
func (c *Catalog) Plugin(sha string) (*Plugin, error) {
	c.mu.Lock()
	p := c.plugins[sha]
	c.mu.Unlock()
	if p != nil {
		return p, nil
	}
	data, err := c.space.Get([]byte(prefixPlugin + sha))
	if errors.Is(err, store.ErrNotFound) {
		return nil, errcode.New(errcode.NotFound, "no such plugin version")
	}
	if err != nil {
		return nil, fmt.Errorf("read plugin version %s: %w", sha, err)
	}
	p = &Plugin{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, errcode.Wrap(errcode.Internal, err, "the record of this plugin version cannot be read")
	}
	c.mu.Lock()
	c.plugins[sha] = p
	c.mu.Unlock()
	return p, nil
}

// Schemas gives the schemas of a decode's tables, in the order of d.Tables: as the decoder's manifest has them, but
// without naive times where the parameters name a time zone.
func (c *Catalog) Schemas(_ context.Context, d Decode) ([]*table.Schema, error) {
	if len(d.Tables) == 0 {
		return nil, nil
	}
	known := map[string]*table.Schema{"issues": table.Issues()}
	if d.Decoder != nil {
		p, err := c.Plugin(d.Decoder.SHA256)
		if err != nil {
			return nil, err
		}
		for _, s := range p.Tables {
			known[s.Name] = s
		}
	}
	out := make([]*table.Schema, len(d.Tables))
	for i, t := range d.Tables {
		out[i] = t.Schema
		if out[i] == nil {
			out[i] = known[t.Name]
		}
		if out[i] == nil {
			return nil, errcode.Newf(errcode.Internal, "the schema of table %s is not recorded", t.Name)
		}
	}
	if zone.Given(d.Params) != "" {
		out = table.Instants(out)
	}
	return out, nil
}

// DecodesOf gives the ids of a file's decodes, the oldest first.
func (c *Catalog) DecodesOf(ctx context.Context, fileID string) ([]string, error) {
	return c.lastParts(ctx, prefixOfFile+fileID+"/")
}

// DecodesOfResult gives the ids of the decodes that share a result.
func (c *Catalog) DecodesOfResult(ctx context.Context, key string) ([]string, error) {
	return c.lastParts(ctx, prefixOfResult+key+"/")
}

// FilesOfBlob gives the ids of the files that share the bytes of a digest, the oldest first.
func (c *Catalog) FilesOfBlob(ctx context.Context, sha string) ([]string, error) {
	return c.lastParts(ctx, prefixOfBlob+sha+"/")
}

// lastParts gives what follows the prefix in every key that begins with it.
func (c *Catalog) lastParts(ctx context.Context, prefix string) ([]string, error) {
	var ids []string
	err := c.space.Scan(ctx, store.ScanOptions{Prefix: []byte(prefix), KeysOnly: true}, func(key, _ []byte) (bool, error) {
		ids = append(ids, string(bytes.TrimPrefix(key, []byte(prefix))))
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read index %s: %w", prefix, err)
	}
	return ids, nil
}
