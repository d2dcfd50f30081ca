package batch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

const (
	batchKind = 'b' // of ids
	batchKey  = "b/"
	itemKey   = "i/"
	// itemsAtOnce is how many items one commit has.
	itemsAtOnce = 500
)

// Decodes reads files and decodes; it is catalog.Catalog.
type Decodes interface {
	File(ctx context.Context, id string) (catalog.File, error)
	Decode(ctx context.Context, id string) (catalog.Decode, error)
}

// Starter starts decodes and cancels them; it is ingest.Ingester.
type Starter interface {
	Redecode(ctx context.Context, r ingest.Redecode) (d catalog.Decode, existing bool, err error)
	Cancel(ctx context.Context, decodeID string) (catalog.Decode, error)
}

// Engine keeps batches. Any number of goroutines may use it.
type Engine struct {
	cfg   Config
	space store.Space
	seq   *store.Sequence
	wake  chan struct{} // holds one: there is something to do

	turn sync.Mutex // held over a change, with its commits; comes before mu

	mu       sync.Mutex       // guards what follows, and what is in the runs
	active   map[string]*run  // batches that go on, by id
	decodes  map[string][]ref // items at work, by decode
	doubt    map[string]bool  // batches of which a commit failed
	undoing  map[string]bool  // those of them that were not made, and are to go
	settleAt time.Time        // that could not be settled: not before
}

// run is a batch that goes on. It changes while both locks are held; whoever holds one of them may read it.
type run struct {
	rec   record
	next  int // items before it have been started
	open  map[int]opened
	ended counts
	told  time.Time // when it was last published
	owed  bool      // it has changed since
	again time.Time // after an item that could not be started for now: not before
	tries int       // of that item
}

// opened is an item at work.
type opened struct {
	decode string
	own    bool
}

type ref struct {
	batch string
	item  int
}

// Open reads the batches that go on.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		cfg: cfg, space: cfg.DB.Space("batch/"), wake: make(chan struct{}, 1),
		active: map[string]*run{}, decodes: map[string][]ref{}, doubt: map[string]bool{}, undoing: map[string]bool{},
	}
	var err error
	if e.seq, err = cfg.DB.Sequence("batch"); err != nil {
		return nil, fmt.Errorf("open batches: %w", err)
	}
	all := map[string]bool{}
	err = e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(batchKey), OnCorrupt: e.damaged}, func(k, v []byte) (bool, error) {
		id := string(k[len(batchKey):])
		all[id] = true
		rec, err := decodeJSON[record](v)
		if err != nil {
			return true, e.damaged(k)
		}
		if rec.FinishedAt.IsZero() {
			e.active[id] = &run{rec: rec, open: map[int]opened{}}
		}
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read batches: %w", err)
	}
	if err := e.loadItems(ctx, all); err != nil {
		return nil, err
	}
	for id, r := range e.active {
		// The process ended while it was in doubt, or cancelled.
		if r.ended.all() >= r.rec.Total || r.rec.Cancelled {
			e.doubt[id] = true
		}
	}
	return e, nil
}

func (e *Engine) damaged(k []byte) error {
	e.cfg.Logger.Error("record of a batch is damaged, it is left out", "record", string(k))
	return nil
}

// loadItems takes the items of batches that go on into memory, as far as they are at work, and removes those of batches
// that do not exist: the process ended while they were made, or deleted.
func (e *Engine) loadItems(ctx context.Context, all map[string]bool) error {
	var orphans [][]byte
	err := e.space.Scan(ctx, store.ScanOptions{Prefix: []byte(itemKey), OnCorrupt: e.damaged}, func(k, v []byte) (bool, error) {
		id, n, ok := parseItemKey(k)
		switch r := e.active[id]; {
		case !ok || !all[id]:
			orphans = append(orphans, slices.Clone(k))
		case r != nil:
			it, err := decodeJSON[Item](v)
			if err != nil {
				return true, e.damaged(k)
			}
			e.take(r, n, it)
		}
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("read items of batches: %w", err)
	}
	return e.remove(ctx, orphans)
}

// take takes an item into memory. e.mu is held, or nobody else knows e yet.
func (e *Engine) take(r *run, n int, it Item) {
	switch {
	case it.State == ItemRunning:
		r.open[n] = opened{it.DecodeID, it.Own}
		e.decodes[it.DecodeID] = append(e.decodes[it.DecodeID], ref{r.rec.ID, n})
	case r.toStart(it):
	default:
		r.ended.add(it.State, 1)
	}
}

// toStart reports whether an item is to be started, now or later.
func (r *run) toStart(it Item) bool {
	return it.State == ItemPending || ((it.State == ItemFailed || it.State == ItemCancelled) && it.Round < r.rec.Round)
}

func keyOfBatch(id string) []byte { return []byte(batchKey + id) }

func keyOfItem(id string, n int) []byte { return fmt.Appendf(nil, "%s%s/%06d", itemKey, id, n) }

func parseItemKey(k []byte) (id string, n int, ok bool) {
	id, number, ok := strings.Cut(strings.TrimPrefix(string(k), itemKey), "/")
	if !ok || len(number) != 6 {
		return "", 0, false
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return "", 0, false
		}
		n = n*10 + int(c-'0')
	}
	return id, n, true
}

// CheckOptions checks what is asked for but for the files, and fills in what is left out.
func (n *New) CheckOptions() error {
	n.Name = strings.TrimSpace(n.Name)
	switch {
	case len(n.Name) > MaxName || !utf8.ValidString(n.Name) || strings.ContainsFunc(n.Name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errcode.Invalid("name", "at most %d bytes of printable text", MaxName)
	case n.Concurrency < 0 || n.Concurrency > MaxConcurrency:
		return errcode.Invalid("concurrency", "1 to %d", MaxConcurrency)
	case n.Timeout < 0 || n.Timeout > MaxTimeout || (n.Timeout > 0 && n.Timeout < time.Second):
		return errcode.Invalid("timeout_per_file", "1 s to %.0f s", MaxTimeout.Seconds())
	}
	if n.Concurrency == 0 {
		n.Concurrency = DefaultConcurrency
	}
	return nil
}

func (n *New) check() error {
	if len(n.Items) == 0 || len(n.Items) > MaxItems {
		return errcode.Invalid("file_ids", "1 to %d files", MaxItems)
	}
	return n.CheckOptions()
}

// Create makes a batch. When it returns without an error the batch survives a power cut, and will be decoded.
func (e *Engine) Create(ctx context.Context, n New) (Batch, error) {
	if err := n.check(); err != nil {
		return Batch{}, err
	}
	items := make([]Item, len(n.Items))
	for i, it := range n.Items {
		f, err := e.cfg.Decodes.File(ctx, it.FileID)
		if errcode.Is(err, errcode.NotFound) {
			return Batch{}, errcode.Invalid(fmt.Sprintf("file_ids[%d]", i), "there is no such file")
		}
		if err != nil {
			return Batch{}, fmt.Errorf("create batch: %w", err)
		}
		items[i] = itemOf(it, f.Name)
	}
	number, err := e.seq.Next(ctx)
	if err != nil {
		return Batch{}, fmt.Errorf("create batch: %w", err)
	}
	rec := record{
		ID: store.FormatID(batchKind, number), Name: n.Name, Decoder: n.Decoder, Params: n.Params, Concurrency: n.Concurrency,
		Timeout: n.Timeout, Total: len(items), CreatedAt: e.cfg.Now().UTC(), Trace: n.Trace,
	}
	e.turn.Lock()
	defer e.turn.Unlock()
	if err := e.store(ctx, rec, items); err != nil {
		err = fmt.Errorf("create batch: %w", err)
		if uerr := e.undo(context.WithoutCancel(ctx), rec.ID); uerr != nil {
			e.mu.Lock()
			e.doubt[rec.ID], e.undoing[rec.ID] = true, true
			e.nudge()
			e.mu.Unlock()
			err = errors.Join(err, uerr)
		}
		return Batch{}, err
	}
	r := &run{rec: rec, open: map[int]opened{}}
	e.mu.Lock()
	for i, it := range items {
		e.take(r, i, it)
	}
	e.active[rec.ID] = r
	e.changed(r)
	e.mu.Unlock()
	if err := e.endAtOnce(ctx, rec.ID, items); err != nil {
		e.cfg.Logger.WarnContext(ctx, "ends of decodes of a batch not recorded, they are tried again", "error", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return r.view(), nil
}

// undo removes what may be there of a batch that was not made: its own record first, for an error does not say whether that is
// durable, and without it the rest goes at the next start at the latest.
func (e *Engine) undo(ctx context.Context, id string) error {
	return errors.Join(e.remove(ctx, [][]byte{keyOfBatch(id)}), e.removeItems(ctx, id))
}

// endAtOnce records the decodes of a new batch that had ended before anybody waited for them. e.turn is held.
func (e *Engine) endAtOnce(ctx context.Context, id string, items []Item) error {
	var ends []end
	for i, it := range items {
		if it.State == ItemRunning {
			if d, err := e.cfg.Decodes.Decode(ctx, it.DecodeID); err == nil && d.Status.Final() {
				ends = append(ends, endOf(ref{id, i}, d))
			}
		}
	}
	for part := range slices.Chunk(ends, itemsAtOnce) {
		if err := e.finish(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

// store makes a batch durable: its items first, in as many commits as they need, and then the batch, without which
// they are nobody's.
func (e *Engine) store(ctx context.Context, rec record, items []Item) error {
	for from := 0; from < len(items); from += itemsAtOnce {
		b := e.cfg.DB.Batch()
		for i := from; i < min(from+itemsAtOnce, len(items)); i++ {
			if err := e.stage(b, keyOfItem(rec.ID, i), items[i]); err != nil {
				return err
			}
		}
		if err := e.commit(ctx, b); err != nil {
			return fmt.Errorf("store items: %w", err)
		}
	}
	b := e.cfg.DB.Batch()
	if err := e.stage(b, keyOfBatch(rec.ID), rec); err != nil {
		return err
	}
	if err := e.commit(ctx, b); err != nil {
		return fmt.Errorf("store batch: %w", err)
	}
	return nil
}

func (e *Engine) stage(b *store.Batch, k []byte, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", k, err)
	}
	b.Set(e.space, k, raw)
	return nil
}

// commit commits to the end, whoever gives up meanwhile: what is taken into memory on the way is to happen under the lock that
// the caller holds. The store's error says what it was.
func (e *Engine) commit(ctx context.Context, b *store.Batch) error {
	return e.cfg.DB.Commit(context.WithoutCancel(ctx), b) //nolint:wrapcheck // the callers do
}

func (r *run) view() Batch { return r.rec.view(r.ended, len(r.open)) }

// changed has a batch published, and looked at. e.mu is held.
func (e *Engine) changed(r *run) {
	r.owed = true
	e.nudge()
}

// nudge has Run look for what is to be done.
func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Get gives a batch. Its progress counts what decodes at work have read.
func (e *Engine) Get(ctx context.Context, id string) (Batch, error) {
	e.mu.Lock()
	r := e.active[id]
	if r == nil {
		e.mu.Unlock()
		rec, err := e.load(id)
		if err != nil {
			return Batch{}, err
		}
		return rec.view(rec.Counts, 0), nil
	}
	b := r.view()
	working := slices.Collect(maps.Values(r.open))
	e.mu.Unlock()
	part := 0.0
	for _, o := range working {
		if d, err := e.cfg.Decodes.Decode(ctx, o.decode); err == nil && !d.Status.Final() {
			part += d.Progress
		}
	}
	b.Progress = min(1, b.Progress+part/float64(b.Total))
	return b, nil
}

func (e *Engine) load(id string) (record, error) {
	if kind, _, err := store.ParseID(id); err != nil || kind != batchKind {
		return record{}, noBatch()
	}
	raw, err := e.space.Get(keyOfBatch(id))
	if errors.Is(err, store.ErrNotFound) {
		return record{}, noBatch()
	}
	if err != nil {
		return record{}, fmt.Errorf("read batch %s: %w", id, err)
	}
	rec, err := decodeJSON[record](raw)
	if err != nil {
		return record{}, fmt.Errorf("read batch %s: %w", id, errors.Join(store.ErrCorrupt, err))
	}
	return rec, nil
}

func noBatch() error { return errcode.New(errcode.NotFound, "there is no such batch") }

// Items gives files of a batch in its order, at most limit of them, from the one at a place on.
func (e *Engine) Items(ctx context.Context, id string, from, limit int) ([]Item, error) {
	rec, err := e.load(id)
	if err != nil {
		return nil, err
	}
	out := make([]Item, 0, max(0, min(limit, rec.Total-from)))
	if limit <= 0 {
		return out, nil
	}
	o := store.ScanOptions{Prefix: []byte(itemKey + id + "/"), From: keyOfItem(id, from), OnCorrupt: e.damaged}
	err = e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		_, n, ok := parseItemKey(k)
		it, err := decodeJSON[Item](v)
		if err != nil || !ok {
			return true, e.damaged(k)
		}
		it.At = n
		out = append(out, it)
		return len(out) < limit, nil
	})
	if err != nil {
		return nil, fmt.Errorf("read items of batch %s: %w", id, err)
	}
	return out, nil
}

// List gives batches, the newest first, and the cursor of the next answer, "" at the end.
func (e *Engine) List(ctx context.Context, q Query) (out []Batch, next string, err error) {
	o := store.ScanOptions{Prefix: []byte(batchKey), Reverse: true, OnCorrupt: e.damaged}
	if q.Cursor != "" {
		if kind, _, err := store.ParseID(q.Cursor); err != nil || kind != batchKind {
			return nil, "", errcode.New(errcode.Malformed, "cursor is not one that this list gave")
		}
		o.From, o.After = keyOfBatch(q.Cursor), true
	}
	err = e.space.Scan(ctx, o, func(k, v []byte) (bool, error) {
		rec, err := decodeJSON[record](v)
		if err != nil {
			return true, e.damaged(k)
		}
		b := e.shown(rec)
		if q.Status != "" && b.Status != q.Status {
			return true, nil
		}
		if len(out) == q.Limit {
			next = out[len(out)-1].ID
			return false, nil
		}
		out = append(out, b)
		return true, nil
	})
	if err != nil {
		return nil, "", fmt.Errorf("list batches: %w", err)
	}
	return out, next, nil
}

// shown gives a batch that was read, as it is now.
func (e *Engine) shown(rec record) Batch {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r := e.active[rec.ID]; r != nil {
		return r.view()
	}
	return rec.view(rec.Counts, 0)
}
