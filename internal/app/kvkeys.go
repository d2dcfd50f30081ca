package app

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// keyspace shows the engine of the Redis-protocol server to httpapi. It never has the engine's lock for long: it takes it
// for a slice of the work, lets others have it, and goes on, so that what it gives may be of several moments.
type keyspace struct {
	engine *engine.Engine // nil = there is no server
	log    keyspaceLog    // nil = nothing is kept
}

// keyspaceLog keeps what is changed; it is aof.Log.
type keyspaceLog interface {
	Position() int64
	Wait(position, own int64) error
	Failure() error
}

// keyspace gives what httpapi sees of the Redis-protocol server.
func (a *appliance) keyspace() *keyspace {
	if a.kv == nil {
		return &keyspace{}
	}
	return &keyspace{engine: a.kv.Engine(), log: a.kvLog}
}

const (
	keysSlice   = 500                    // keys that are looked at under one lock
	keysTime    = 250 * time.Millisecond // after which a list ends, however few keys have matched
	itemsSlice  = 100                    // members that are read under one lock
	entriesTime = 500 * time.Microsecond // for which entries of a stream, whose sizes differ, are read under one lock
	stringPiece = 256 << 10              // bytes of a string in one answer
	shownBytes  = 4 << 10                // of a member, field or value
	shownFields = 256                    // of an entry
	pageBytes   = 4 << 20                // of one answer, after which no more members are read
)

// ready refuses what cannot be done without a server, or in a database that is none.
func (k *keyspace) ready(db int) error {
	if k.engine == nil {
		return errcode.New(errcode.Unavailable, "the Redis-protocol server does not run on this appliance")
	}
	if n := k.engine.Databases(); db >= n {
		return errcode.Invalid("db", "there are databases 0 to %d", n-1)
	}
	return nil
}

// Keys implements httpapi.KV. Patterns are matched without the lock: a long one takes its time.
func (k *keyspace) Keys(ctx context.Context, q httpapi.KVQuery) (keys []httpapi.KVKey, next uint64, total int64, err error) {
	if err := k.ready(q.DB); err != nil {
		return nil, 0, 0, err
	}
	begin, match, filtered := time.Now(), []byte(q.Match), q.Match != "" || q.Type != ""
	var slice []engine.Glance
	for next = q.Cursor; ; {
		count := keysSlice
		if !filtered {
			count = min(count, q.Limit-len(keys))
		}
		slice = slice[:0]
		k.engine.Lock()
		next = k.engine.Walk(q.DB, next, count, func(g engine.Glance) { slice = append(slice, g) })
		size, _ := k.engine.Size(q.DB)
		now := k.engine.Now()
		k.engine.Unlock()
		for i := range slice {
			g := &slice[i]
			if (q.Type == "" || g.Kind.String() == q.Type) && (q.Match == "" || engine.Glob(match, []byte(g.Key))) {
				keys = append(keys, keyOf(q.DB, g, now))
			}
		}
		if total = int64(size); filtered {
			total = -1
		}
		if err := ctx.Err(); err != nil {
			return nil, 0, 0, context.Cause(ctx)
		}
		if next == 0 || len(keys) >= q.Limit || time.Since(begin) > keysTime {
			return keys, next, total, nil
		}
	}
}

// keyOf gives what was seen of a key at a time.
func keyOf(db int, g *engine.Glance, now int64) httpapi.KVKey {
	out := httpapi.KVKey{
		DB: db, Key: g.Key, Type: g.Kind.String(), TTL: -1, Bytes: g.Bytes, Length: int64(g.Length), Encoding: g.Encoding,
	}
	if g.Expire != 0 {
		out.TTL = max(g.Expire-now, 0)
	}
	return out
}

// errNoKey reports a key that is not there.
func errNoKey() error { return errcode.New(errcode.NotFound, "no such key") }

// Value implements httpapi.KV.
func (k *keyspace) Value(ctx context.Context, q httpapi.KVPiece) (httpapi.KVContent, error) {
	if err := k.ready(q.DB); err != nil {
		return httpapi.KVContent{}, err
	}
	k.engine.Lock()
	g, ok := k.engine.Look(q.DB, []byte(q.Key))
	now := k.engine.Now()
	k.engine.Unlock()
	if !ok {
		return httpapi.KVContent{}, errNoKey()
	}
	r := valueReader{keyspace: k, db: q.DB, key: q.Key, limit: q.Limit, at: q.Cursor}
	r.out.KVKey = keyOf(q.DB, &g, now)
	var err error
	switch g.Kind {
	case engine.KindString:
		err = r.text()
	case engine.KindList:
		err = r.byRank(ctx, "LRANGE", 1, func(p []kvPart) httpapi.KVItem { return httpapi.KVItem{Value: p[0].shown()} })
	case engine.KindZSet:
		err = r.byRank(ctx, "ZRANGE", 2, func(p []kvPart) httpapi.KVItem { return httpapi.KVItem{Value: p[0].shown(), Score: string(p[1].data)} })
	case engine.KindSet:
		err = r.byScan(ctx, "SSCAN", 1, func(p []kvPart) httpapi.KVItem { return httpapi.KVItem{Value: p[0].shown()} })
	case engine.KindHash:
		err = r.byScan(ctx, "HSCAN", 2, func(p []kvPart) httpapi.KVItem { return httpapi.KVItem{Field: p[0].shown(), Value: p[1].shown()} })
	case engine.KindStream:
		err = r.entries(ctx)
	}
	return r.out, err
}

// valueReader reads a piece of a value, slice by slice. A key that goes, or gets another type, while it is read ends it.
type valueReader struct {
	*keyspace
	db    int
	key   string
	limit int
	at    string // cursor, "" = the beginning
	read  int    // bytes so far
	out   httpapi.KVContent
}

// full reports whether the answer holds as much as it may.
func (r *valueReader) full() bool { return len(r.out.Items) >= r.limit || r.read >= pageBytes }

// take counts what was read.
func (r *valueReader) take(a *kvAnswer) {
	for i := range a.parts {
		r.read += len(a.parts[i].data)
	}
}

// ask runs one command that reads, under a lock of its own.
func (r *valueReader) ask(limit int, args ...string) *kvAnswer {
	a := &kvAnswer{cut: limit, room: pageBytes}
	r.engine.Lock()
	defer r.engine.Unlock()
	s := r.session(r.db)
	s.NoTouch = true
	r.engine.Do(s, kvCall(args...), a)
	return a
}

// number reads the cursor of a value whose pieces are numbered.
func (r *valueReader) number() (uint64, error) {
	if r.at == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(r.at, 10, 63)
	if err != nil {
		return 0, errcode.New(errcode.Malformed, "cursor is not one that this value gave")
	}
	return n, nil
}

func (r *valueReader) text() error {
	from, err := r.number()
	if err != nil {
		return err
	}
	a := r.ask(stringPiece, "GETRANGE", r.key, strconv.FormatUint(from, 10), strconv.FormatUint(from+stringPiece-1, 10))
	if len(a.parts) == 0 {
		return nil
	}
	data, whole := a.parts[0].data, r.out.Length
	if end := int64(from) + int64(len(data)); len(data) > 0 && end < whole {
		data = betweenCharacters(data)
		r.out.Next = strconv.FormatInt(int64(from)+int64(len(data)), 10)
	}
	r.out.Value = &httpapi.KVText{Data: data, Size: whole}
	return nil
}

// byRank reads what has an order, whose cursor is how many members came before.
func (r *valueReader) byRank(ctx context.Context, command string, each int, item func(p []kvPart) httpapi.KVItem) error {
	from, err := r.number()
	if err != nil {
		return err
	}
	for !r.full() {
		n := min(itemsSlice, r.limit-len(r.out.Items))
		args := []string{command, r.key, strconv.FormatUint(from, 10), strconv.FormatUint(from+uint64(n)-1, 10)}
		if each > 1 {
			args = append(args, "WITHSCORES")
		}
		a := r.ask(shownBytes, args...)
		r.take(a)
		got := len(a.parts) / each
		for p := range slices.Chunk(a.parts, each) {
			r.out.Items = append(r.out.Items, item(p))
		}
		if from += uint64(got); got < n || from >= uint64(r.out.Length) {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	r.out.Next = strconv.FormatUint(from, 10)
	return nil
}

// byScan reads what has no order, whose cursor is that of the command.
func (r *valueReader) byScan(ctx context.Context, command string, each int, item func(p []kvPart) httpapi.KVItem) error {
	if _, err := r.number(); err != nil {
		return err
	}
	for cursor := cmp.Or(r.at, "0"); ; {
		a := r.ask(shownBytes, command, r.key, cursor, "COUNT", strconv.Itoa(min(itemsSlice, max(r.limit-len(r.out.Items), 1))))
		if len(a.parts) == 0 {
			return nil
		}
		r.take(a)
		for p := range slices.Chunk(a.parts[1:], each) {
			r.out.Items = append(r.out.Items, item(p))
		}
		if cursor = string(a.parts[0].data); cursor == "0" {
			return nil
		}
		if r.full() {
			r.out.Next = cursor
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
}

// entries reads a stream, whose cursor is the id of the last entry that was given.
func (r *valueReader) entries(ctx context.Context) error {
	start := "-"
	if r.at != "" {
		start = "(" + r.at
	}
	for !r.full() {
		more, err := r.someEntries(&start)
		if err != nil || !more {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	if a := r.ask(shownBytes, "XRANGE", r.key, start, "+", "COUNT", "1"); len(a.parts) > 0 {
		r.out.Next = start[1:]
	}
	return nil
}

// someEntries reads entries one by one for a while; more is false after the last.
func (r *valueReader) someEntries(start *string) (more bool, err error) {
	r.engine.Lock()
	defer r.engine.Unlock()
	s, begin := r.session(r.db), time.Now()
	s.NoTouch = true
	for !r.full() && time.Since(begin) < entriesTime {
		a := &kvAnswer{cut: shownBytes, room: pageBytes, most: 1 + 2*shownFields}
		r.engine.Do(s, kvCall("XRANGE", r.key, *start, "+", "COUNT", "1"), a)
		if a.failure != "" && *start == "("+r.at {
			return false, errcode.New(errcode.Malformed, "cursor is not one that this value gave")
		}
		if len(a.parts) == 0 {
			return false, nil
		}
		r.take(a)
		it := httpapi.KVItem{ID: string(a.parts[0].data), Count: (a.seen - 1) / 2}
		for p := range slices.Chunk(a.parts[1:], 2) {
			it.Fields = append(it.Fields, [2]*httpapi.KVText{p[0].shown(), p[1].shown()})
		}
		r.out.Items = append(r.out.Items, it)
		*start = "(" + it.ID
	}
	return true, nil
}
