package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/kv/engine"
)

// fakeKept is a log that counts what it was asked to keep.
type fakeKept struct {
	position, waited int64
	failure, lost    error
}

func (f *fakeKept) Position() int64              { return f.position }
func (f *fakeKept) Wait(position, _ int64) error { f.waited = position; return f.lost }
func (f *fakeKept) Failure() error               { return f.failure }

// Effects, so that the engine has something to keep.
func (f *fakeKept) Begin()               {}
func (f *fakeKept) End()                 {}
func (f *fakeKept) Effect(int, [][]byte) { f.position++ }

func newKeyspace(cfg engine.Config) (*keyspace, *fakeKept) {
	log := &fakeKept{}
	cfg.Effects = log
	return &keyspace{engine: engine.New(cfg), log: log}, log
}

// do runs a command line on database 0 and gives the first text of its answer, or its number.
func (k *keyspace) do(tb testing.TB, words ...string) string {
	tb.Helper()
	a := &kvAnswer{cut: 1 << 30, room: 1 << 30}
	k.engine.Lock()
	defer k.engine.Unlock()
	k.engine.Do(k.session(0), kvCall(words...), a)
	if a.failure != "" {
		tb.Fatalf("%.60q: %s", words, a.failure)
	}
	if len(a.parts) == 0 {
		return strconv.FormatInt(a.number, 10)
	}
	return string(a.parts[0].data)
}

// pages goes through a value and gives its texts, one an item, with how many answers that took.
func (k *keyspace) pages(tb testing.TB, key string, limit int) (items []string, whole []byte, answers int) {
	tb.Helper()
	q := httpapi.KVPiece{Key: key, Limit: limit}
	for {
		c, err := k.Value(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		if c.Value != nil {
			whole = append(whole, c.Value.Data...)
		}
		for i := range c.Items {
			items = append(items, itemText(&c.Items[i]))
		}
		if answers++; c.Next == "" {
			return items, whole, answers
		}
		q.Cursor = c.Next
	}
}

// TestValuesComeWholeByPages reads values of every type, small and large, by pages of several sizes: everything is there
// once, in order where there is one.
func TestValuesComeWholeByPages(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	for _, n := range []int{1, 3, 700} {
		for i := range n {
			member, number := fmt.Sprintf("m%03d", i), strconv.Itoa(i)
			name := strconv.Itoa(n)
			k.do(t, "RPUSH", "list"+name, member)
			k.do(t, "SADD", "set"+name, member)
			k.do(t, "HSET", "hash"+name, member, number)
			k.do(t, "ZADD", "zset"+name, number, member)
			k.do(t, "XADD", "stream"+name, number+"-1", "f", member)
		}
		for _, kind := range []string{"list", "set", "hash", "zset", "stream"} {
			for _, limit := range []int{1, 7, 100, 1000} {
				items, _, answers := k.pages(t, fmt.Sprintf("%s%d", kind, n), limit)
				ordered := kind == "list" || kind == "zset" || kind == "stream"
				if ordered && !slices.IsSorted(items) {
					t.Errorf("%s of %d by %d: not in order", kind, n, limit)
				}
				slices.Sort(items)
				if got := len(slices.Compact(items)); got != n || len(items) != n && ordered {
					t.Errorf("%s of %d by %d: %d items, %d different ones", kind, n, limit, len(items), got)
				}
				if want := (n + limit - 1) / limit; ordered && answers != want && answers != want+1 {
					t.Errorf("%s of %d by %d: %d answers, want %d", kind, n, limit, answers, want)
				}
			}
		}
	}
}

// itemText writes an item so that those of the tests sort as their values do.
func itemText(it *httpapi.KVItem) string {
	out := it.Score
	texts := []*httpapi.KVText{it.Field, it.Value}
	for _, f := range it.Fields {
		texts = append(texts, f[0], f[1])
	}
	for _, t := range texts {
		if t != nil {
			out = string(t.Data) + " " + out
		}
	}
	return out
}

// TestStringsComeWholeByPieces has pieces of text cut between characters, and of bytes anywhere.
func TestStringsComeWholeByPieces(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	rapid.Check(t, func(rt *rapid.T) {
		unit := rapid.SampledFrom([]string{"a", "ü", "€", "𝄞", "\xff", "\xe2\x82", "\xe2\xe2"}).Draw(rt, "unit")
		shift := rapid.IntRange(0, 4).Draw(rt, "shift")
		value := []byte(strings.Repeat("x", shift) + strings.Repeat(unit, rapid.IntRange(0, stringPiece).Draw(rt, "times")))
		k.do(t, "SET", "s", string(value))
		_, whole, _ := k.pages(t, "s", 1)
		if !bytes.Equal(whole, value) {
			rt.Fatalf("%d bytes of %q came as %d", len(value), unit, len(whole))
		}
		c, err := k.Value(t.Context(), httpapi.KVPiece{Key: "s", Limit: 1})
		if err != nil || len(c.Value.Data) > stringPiece || c.Value.Size != int64(len(value)) || utf8.Valid(value) != utf8.Valid(c.Value.Data) && utf8.ValidString(unit) {
			rt.Fatalf("first piece: %d of %d bytes, %v", len(c.Value.Data), c.Value.Size, err)
		}
	})
}

// TestLargeMembersAreCut: of what is large the beginning is shown, and how large it is; an answer ends when it is full.
func TestLargeMembersAreCut(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	large := strings.Repeat("ü", 100_000)
	for range 2000 {
		k.do(t, "RPUSH", "l", large[:10_000])
	}
	k.do(t, "HSET", "h", large, large)
	c, err := k.Value(t.Context(), httpapi.KVPiece{Key: "h", Limit: 10})
	if err != nil || len(c.Items) != 1 || len(c.Items[0].Field.Data) != shownBytes || c.Items[0].Value.Size != 200_000 {
		t.Errorf("%+v, %v", c.Items, err)
	}
	if c, err = k.Value(t.Context(), httpapi.KVPiece{Key: "l", Limit: 2000}); err != nil || len(c.Items) < 900 || len(c.Items) > 1200 || c.Next == "" {
		t.Errorf("%d items, next %q, %v", len(c.Items), c.Next, err)
	}
	args := []string{"XADD", "x", "1-1"}
	for i := range 1000 {
		args = append(args, fmt.Sprintf("f%d", i), "v")
	}
	k.do(t, args...)
	if c, err = k.Value(t.Context(), httpapi.KVPiece{Key: "x", Limit: 10}); err != nil || len(c.Items) != 1 || len(c.Items[0].Fields) != shownFields || c.Items[0].Count != 1000 {
		t.Errorf("%d entries, %v", len(c.Items), err)
	}
}

func TestKeysAreListedOnce(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	for i := range 5000 {
		k.do(t, "SET", fmt.Sprintf("key:%d", i), "x")
		if i%100 == 0 {
			k.do(t, "RPUSH", fmt.Sprintf("list:%d", i), "x")
		}
	}
	k.do(t, "SET", "ends", "x", "PX", "60000")
	for _, tc := range []struct {
		q    httpapi.KVQuery
		want int
	}{
		{httpapi.KVQuery{Limit: 100}, 5051},
		{httpapi.KVQuery{Limit: 100, Match: "key:*7"}, 500},
		{httpapi.KVQuery{Limit: 20, Type: "list"}, 50},
		{httpapi.KVQuery{Limit: 20, Type: "list", Match: "key:*"}, 0},
		{httpapi.KVQuery{Limit: 20, DB: 1}, 0},
	} {
		seen := map[string]bool{}
		for {
			keys, next, total, err := k.Keys(t.Context(), tc.q)
			if err != nil || len(keys) > tc.q.Limit+keysSlice || (total >= 0) != (tc.q.Match == "" && tc.q.Type == "") {
				t.Fatalf("%+v: %d keys, total %d, %v", tc.q, len(keys), total, err)
			}
			for i := range keys {
				seen[keys[i].Key] = true
				if ends := keys[i].TTL >= 0; ends != (keys[i].Key == "ends") {
					t.Errorf("%+v", keys[i])
				}
			}
			if tc.q.Cursor = next; next == 0 {
				break
			}
		}
		if len(seen) != tc.want {
			t.Errorf("%+v: %d keys, want %d", tc.q, len(seen), tc.want)
		}
	}
}

func text(s string) *httpapi.KVText { return &httpapi.KVText{Data: []byte(s)} }

// TestSetReplacesAtOnce gives keys values of every type and reads them with commands; what was there is gone, whatever it
// was, and the end is the one that was given.
func TestSetReplacesAtOnce(t *testing.T) {
	k, log := newKeyspace(engine.Config{})
	items := map[string][]httpapi.KVItem{
		"list": {{Value: text("a")}, {Value: text("b")}}, "set": {{Value: text("a")}}, "hash": {{Field: text("f"), Value: text("v")}},
		"zset": {{Value: text("a"), Score: "1.5"}, {Value: text("b"), Score: "-inf"}}, "stream": {{Fields: [][2]*httpapi.KVText{{text("f"), text("v")}}}},
		"string": nil,
	}
	for _, before := range []string{"", "list", "string", "stream"} {
		for kind, its := range items {
			k.do(t, "FLUSHALL")
			if before != "" {
				if _, err := k.Set(t.Context(), 0, "key", httpapi.KVNew{Type: before, Value: []byte("old"), Items: items[before], TTL: 100_000}); err != nil {
					t.Fatal(err)
				}
			}
			for _, ttl := range []int64{60_000, 0} {
				got, err := k.Set(t.Context(), 0, "key", httpapi.KVNew{Type: kind, Value: []byte("new"), Items: its, TTL: ttl})
				if err != nil || got.Type != kind || (got.TTL > 0) != (ttl > 0) || got.TTL > ttl {
					t.Errorf("%s after %q: %+v, %v", kind, before, got, err)
				}
				if want := map[bool]int{true: len("new"), false: len(its)}[kind == "string"]; got.Length != int64(want) {
					t.Errorf("%s after %q: length %d, want %d", kind, before, got.Length, want)
				}
			}
		}
	}
	if log.waited != log.position || log.position == 0 {
		t.Errorf("waited for %d of %d", log.waited, log.position)
	}
	if got := k.do(t, "MEMORY", "USAGE", "key"); got == "0" {
		t.Error("the key is gone")
	}
}

// TestRefusedChangesChangeNothing: a value that cannot be had leaves the one that is there.
func TestRefusedChangesChangeNothing(t *testing.T) {
	k, log := newKeyspace(engine.Config{MaxMemory: 1 << 20, Policy: engine.NoEviction})
	k.do(t, "RPUSH", "key", "a", "b", "c")
	one := httpapi.KVNew{Type: "set", Items: []httpapi.KVItem{{Value: text("x")}}}
	unchanged := func(what string, err error, code errcode.Code) {
		t.Helper()
		if errcode.Of(err) != code {
			t.Errorf("%s: %v", what, err)
		}
		if n := k.do(t, "LLEN", "key"); n != "3" {
			t.Errorf("%s: the list has %s elements", what, n)
		}
	}
	log.failure = errors.New("disk")
	_, err := k.Set(t.Context(), 0, "key", one)
	unchanged("no log", err, errcode.Unavailable)
	_, err = k.Delete(t.Context(), 0, "key")
	unchanged("no log", err, errcode.Unavailable)
	log.failure = nil
	k.engine.Lock()
	k.engine.Pause(k.engine.Now()+60_000, false)
	k.engine.Unlock()
	_, err = k.Set(t.Context(), 0, "key", one)
	unchanged("paused", err, errcode.Unavailable)
	k.engine.Lock()
	k.engine.Unpause()
	k.engine.Unlock()
	k.do(t, "SET", "large", strings.Repeat("x", 1<<20))
	_, err = k.Set(t.Context(), 0, "key", one)
	unchanged("no memory", err, errcode.Unavailable)
	k.do(t, "DEL", "large")
	_, err = k.Set(t.Context(), 16, "key", one)
	unchanged("no such database", err, errcode.ValidationFailed)
	log.lost = errors.New("disk")
	if _, err := k.Set(t.Context(), 0, "other", one); errcode.Of(err) != errcode.Unavailable {
		t.Errorf("not kept: %v", err)
	}
}

func TestEndsChangeAlone(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	k.do(t, "RPUSH", "key", "a", "b")
	if got, err := k.Expire(t.Context(), 0, "key", 5000); err != nil || got.TTL <= 0 || got.TTL > 5000 || got.Length != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := k.Expire(t.Context(), 0, "key", 0); err != nil || got.TTL != -1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := k.Expire(t.Context(), 0, "none", 5000); errcode.Of(err) != errcode.NotFound {
		t.Errorf("%v", err)
	}
	if there, err := k.Delete(t.Context(), 0, "key"); err != nil || !there {
		t.Errorf("%v, %v", there, err)
	}
	if there, err := k.Delete(t.Context(), 0, "key"); err != nil || there {
		t.Errorf("again: %v, %v", there, err)
	}
}

func TestCursorsOfOthers(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	k.do(t, "RPUSH", "list", "a")
	k.do(t, "HSET", "hash", "a", "1")
	k.do(t, "SET", "string", "a")
	k.do(t, "XADD", "stream", "1-1", "a", "1")
	for _, key := range []string{"list", "hash", "string", "stream"} {
		for _, cursor := range []string{"x", "-5", "1-1-1", " ", "99999999999999999999"} {
			_, err := k.Value(t.Context(), httpapi.KVPiece{Key: key, Limit: 10, Cursor: cursor})
			if errcode.Of(err) != errcode.Malformed && (err != nil || key != "stream") {
				t.Errorf("%s, cursor %q: %v", key, cursor, err)
			}
		}
		if _, err := k.Value(t.Context(), httpapi.KVPiece{Key: key, Limit: 10, Cursor: "9223372036854775807"}); err != nil {
			t.Errorf("%s behind its end: %v", key, err)
		}
	}
}

func TestWithoutAServer(t *testing.T) {
	k := &keyspace{}
	_, _, _, errKeys := k.Keys(t.Context(), httpapi.KVQuery{Limit: 1})
	_, errValue := k.Value(t.Context(), httpapi.KVPiece{})
	_, errSet := k.Set(t.Context(), 0, "a", httpapi.KVNew{Type: "string"})
	_, errExpire := k.Expire(t.Context(), 0, "a", 1)
	_, errDelete := k.Delete(t.Context(), 0, "a")
	for _, err := range []error{errKeys, errValue, errSet, errExpire, errDelete} {
		if errcode.Of(err) != errcode.Unavailable {
			t.Errorf("%v", err)
		}
	}
}

// TestReadersBesideWriters has values and keys change while they are read; it is for the race detector.
func TestReadersBesideWriters(t *testing.T) {
	k, _ := newKeyspace(engine.Config{})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ctx.Err() == nil; i++ {
			key := fmt.Sprintf("k%d", i%50)
			k.do(t, "DEL", key)
			k.do(t, [][]string{{"RPUSH", key, "a"}, {"HSET", key, "a", "1"}, {"SET", key, "x"}, {"XADD", key, "*", "a", "1"}}[i%4]...)
		}
	}()
	for ctx.Err() == nil {
		keys, _, _, err := k.Keys(t.Context(), httpapi.KVQuery{Limit: 1000, Match: "k*"})
		if err != nil {
			t.Fatal(err)
		}
		for i := range keys {
			if _, err := k.Value(t.Context(), httpapi.KVPiece{Key: keys[i].Key, Limit: 10}); err != nil && errcode.Of(err) != errcode.NotFound {
				t.Fatal(err)
			}
		}
	}
	<-done
}

// TestBetweenCharacters: what is text loses a character that was cut off, and nothing else loses anything.
func TestBetweenCharacters(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "a": "a", "aü": "aü", "aü\xc3": "aü", "a\xe2\x82": "a", "a\xf0\x9d\x84": "a", "a\xff": "a\xff", "\xff\xc3": "\xff\xc3", "\xe2\xe2": "\xe2\xe2", "a\x82": "a\x82",
	} {
		if got := betweenCharacters([]byte(in)); string(got) != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
