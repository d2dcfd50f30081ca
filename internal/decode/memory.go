package decode

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wayside-edge/wayside/internal/cache"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

// Memory knows which decode has made a result: the cache says which, the catalog whether that still holds. What the cache
// does not know the catalog is searched for, and the cache told. No failure of the cache is one of Memory.
type Memory struct {
	catalog *catalog.Catalog
	results *table.Dir
	cache   *cache.Cache
}

// NewMemory makes a Memory. The cache may be off.
func NewMemory(c *catalog.Catalog, results *table.Dir, k *cache.Cache) *Memory {
	return &Memory{c, results, k}
}

// entry is what the cache keeps of a decode. Its names are those of the HTTP API.
type entry struct {
	Decode  string           `json:"decode"` // id
	Decoder *catalog.Decoder `json:"decoder"`
	Tables  []entryTable     `json:"tables"`
	Rows    int64            `json:"rows"`
	Status  catalog.Status   `json:"status"`
}

type entryTable struct {
	Name string `json:"name"`
	Rows int64  `json:"rows"`
}

// resultOf names a result for the cache: decode:<file sha256>:<decoder sha256>:<sha256 of the parameters>. refused is as with
// catalog.LeafKey: such a result has a key of its own here too.
func resultOf(fileSHA string, d catalog.Decode, refused string) string {
	h := sha256.New()
	h.Write(d.Params)
	if refused != "" {
		h.Write([]byte("\x00" + refused))
	}
	return cache.Decodes + ":" + fileSHA + ":" + d.Decoder.SHA256 + ":" + hex.EncodeToString(h.Sum(nil))
}

// question is one that the cache had no answer to.
type question struct {
	key  string
	took time.Duration // 0 = the cache could not be asked
}

// Earlier finds a decode that has made the result that d will have, and whose tables are there. It may also have failed a
// moment ago, for what is in the file. Where there is none, nothing is counted yet: the job that decodes asks again.
func (m *Memory) Earlier(ctx context.Context, fileSHA string, d catalog.Decode) (catalog.Decode, bool, error) {
	twin, _, err := m.earlier(ctx, resultOf(fileSHA, d, ""), d)
	return twin, twin.ID != "", err
}

// earlier is Earlier; a decode without an id is none, and the question is for missed.
func (m *Memory) earlier(ctx context.Context, key string, d catalog.Decode) (catalog.Decode, question, error) {
	began := time.Now()
	it, err := m.cache.Peek(ctx, key)
	q := question{key: key}
	if it.Found {
		twin, ok, err := m.confirm(ctx, it.Value, d)
		if err != nil {
			return catalog.Decode{}, q, err
		}
		if ok {
			m.cache.Count(key, hitOf(twin), time.Since(began))
			return twin, q, nil
		}
	}
	if err == nil {
		q.took = max(time.Since(began), 1)
	}
	twin, ok, err := m.finished(ctx, d)
	if err != nil || !ok {
		return catalog.Decode{}, q, err
	}
	m.missed(q)
	m.remember(ctx, key, twin)
	return twin, q, nil
}

// missed counts a question without an answer.
func (m *Memory) missed(q question) {
	if q.took > 0 {
		m.cache.Count(q.key, cache.Miss, q.took)
	}
}

func hitOf(twin catalog.Decode) cache.Result {
	if twin.Status == catalog.Failed {
		return cache.NegativeHit
	}
	return cache.Hit
}

// finished finds another decode that made the same result in the catalog.
func (m *Memory) finished(ctx context.Context, d catalog.Decode) (catalog.Decode, bool, error) {
	twin, ok, err := m.catalog.FinishedTwin(ctx, d)
	if err != nil {
		return twin, false, fmt.Errorf("look for a result: %w", err)
	}
	return twin, ok && m.there(twin), nil
}

func (m *Memory) there(twin catalog.Decode) bool {
	return !twin.HasFiles() || m.results.Has(twin.ResultKey)
}

// confirm says whether what the cache keeps still holds. Whatever it keeps, from whomever, it is not believed.
func (m *Memory) confirm(ctx context.Context, value []byte, d catalog.Decode) (catalog.Decode, bool, error) {
	var e entry
	if json.Unmarshal(value, &e) != nil || e.Decode == d.ID {
		return catalog.Decode{}, false, nil //nolint:nilerr // it is not ours
	}
	twin, err := m.catalog.Decode(ctx, e.Decode)
	if errcode.Is(err, errcode.NotFound) {
		return twin, false, nil
	}
	if err != nil {
		return twin, false, fmt.Errorf("read decode with the same result: %w", err)
	}
	switch {
	case twin.ResultKey != d.ResultKey:
		return twin, false, nil
	case twin.Status == catalog.Done, twin.Status == catalog.Partial:
		return twin, m.there(twin), nil
	case inFile(twin):
		// Another may have done better, by force.
		_, better, err := m.finished(ctx, d)
		return twin, !better, err
	}
	return twin, false, nil
}

// inFile says whether a decode failed for what lies in the file. Limits, time and crashes are worth another try, and what they
// are may change while the key does not.
func inFile(d catalog.Decode) bool {
	if d.Status != catalog.Failed || d.Error == nil {
		return false
	}
	switch d.Error.Code {
	case errcode.Truncated, errcode.CorruptRecord, errcode.UnknownFormat, errcode.Unsupported:
		return true
	default:
		return false
	}
}

// remember tells the cache which decode made a result, or that there is none in the file. It may be told before that is
// committed: until then the catalog does not confirm it.
func (m *Memory) remember(ctx context.Context, key string, d catalog.Decode) {
	if !m.cache.Enabled() {
		return
	}
	keep := m.cache.PutNegative
	switch {
	case d.Status == catalog.Done || d.Status == catalog.Partial:
		keep = func(ctx context.Context, key string, value []byte) error { return m.cache.Put(ctx, key, value, 0) }
	case !inFile(d):
		return
	}
	e := entry{Decode: d.ID, Decoder: d.Decoder, Tables: []entryTable{}, Rows: d.Rows, Status: d.Status}
	for _, t := range d.Tables {
		e.Tables = append(e.Tables, entryTable{t.Name, t.Rows})
	}
	if value, err := json.Marshal(e); err == nil { // text and numbers always are JSON
		_ = keep(ctx, key, value) // the cache tells what is wrong with it
	}
}

// Forget takes out of the cache what it knows of a decode that is gone. The catalog would not confirm it, but others read the
// cache too.
func (m *Memory) Forget(ctx context.Context, fileSHA string, d catalog.Decode) {
	if d.Decoder == nil || !d.Status.Final() || !m.cache.Enabled() {
		return
	}
	for _, refused := range []string{"", runtime.ChildDepth, runtime.ChildLimit} {
		if d.ResultKey == resultKey(fileSHA, d, refused) {
			_, _ = m.cache.Delete(ctx, resultOf(fileSHA, d, refused)) // the cache tells what is wrong with it
		}
	}
}

// resultKey is the catalog's name for the result of a decode.
func resultKey(fileSHA string, d catalog.Decode, refused string) string {
	if refused == "" {
		return catalog.ResultKey(fileSHA, d.Decoder.SHA256, d.Params)
	}
	return catalog.LeafKey(fileSHA, d.Decoder.SHA256, d.Params, refused)
}
