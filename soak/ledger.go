package main

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
)

// state is what the clients know of a file.
type state int

// States of an entry.
const (
	sent     state = iota // no answer yet, or none came: it may be there, whole, or not
	stored                // acknowledged: it has to be there
	deleting              // no answer yet, or none came: it may be there or not; its decode may be cancelled
	deleted               // acknowledged: it must not be there
)

// entry is one file that the clients know of. The name is unique, so that a file whose upload was never answered is
// found again.
type entry struct {
	recipe recipe
	facts  facts
	name   string

	// What follows is guarded by the ledger.
	state   state
	file    string   // id
	decodes []string // acknowledged, the first is that of the upload
	doubt   int      // decodes that were asked for without an answer
	users   int      // requests under way that need the file
	final   bool     // its first decode was seen to have ended as expected
	rows    int64    // of all tables of its first decode; 0 = not seen
}

// ledger is what the appliance has acknowledged: what it owes.
type ledger struct {
	mu     sync.Mutex // guards what follows, and the entries
	byName map[string]*entry
	live   []*entry // stored, in no order
	next   uint64
	seed   uint64
}

func newLedger(seed uint64) *ledger {
	return &ledger{byName: map[string]*entry{}, seed: seed}
}

// send makes the entry of a new upload of the kind, of about n bytes.
func (l *ledger) send(k kind, n int64) (*entry, error) {
	l.mu.Lock()
	l.next++
	// Every recording of a run differs, and so do those of two seeds.
	r := recipe{Kind: k, Seed: l.seed<<32 + l.next, Size: n}
	l.mu.Unlock()
	return l.sendRecipe(r)
}

// sendRecipe makes the entry of an upload of a recording that may have been sent before, under a name of its own.
func (l *ledger) sendRecipe(r recipe) (*entry, error) {
	f, err := r.measure()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	e := &entry{recipe: r, facts: f, name: fmt.Sprintf("%s-%d.%s", r.Kind, l.next, r.extension())}
	l.byName[e.name] = e
	return e, nil
}

// stored books an acknowledged upload.
func (l *ledger) stored(e *entry, file string, decode string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.state, e.file = stored, file
	if decode != "" {
		e.decodes = append(e.decodes, decode)
	}
	l.live = append(l.live, e)
}

// pick gives a random stored file for which ok holds, and keeps it from being deleted until release.
func (l *ledger) pick(rnd *rand.Rand, ok func(*entry) bool) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.fromRandom(rnd) {
		if ok(e) {
			e.users++
			return e
		}
	}
	return nil
}

// fromRandom gives all stored files, beginning at a random one. l.mu is held.
func (l *ledger) fromRandom(rnd *rand.Rand) iter.Seq[*entry] {
	return func(yield func(*entry) bool) {
		if len(l.live) == 0 {
			return
		}
		from := rnd.IntN(len(l.live))
		for i := range l.live {
			if !yield(l.live[(from+i)%len(l.live)]) {
				return
			}
		}
	}
}

// hold keeps a file that is stored from being deleted until release; it reports false of any other.
func (l *ledger) hold(e *entry) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.state == stored {
		e.users++
	}
	return e.state == stored
}

func (l *ledger) release(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.users--
}

// pickToDelete gives a random stored file for which ok holds and that nobody needs, and books that it is being deleted.
func (l *ledger) pickToDelete(rnd *rand.Rand, ok func(*entry) bool) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	for e := range l.fromRandom(rnd) {
		if e.users == 0 && ok(e) {
			e.state = deleting
			i := slices.Index(l.live, e)
			l.live[i] = l.live[len(l.live)-1]
			l.live = l.live[:len(l.live)-1]
			return e
		}
	}
	return nil
}

// deleted books an acknowledged deletion.
func (l *ledger) deleted(e *entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.state = deleted
}

// entries gives all entries, the oldest first.
func (l *ledger) entries() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]*entry, 0, len(l.byName))
	for _, e := range l.byName {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.name, b.name)) })
	return all
}

// named finds the entry of a file by its name.
func (l *ledger) named(name string) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byName[name]
}

// size tells how many files are stored.
func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.live)
}

// view gives a copy of an entry as it is now.
func (l *ledger) view(e *entry) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := *e
	c.decodes = slices.Clone(e.decodes)
	return c
}

// prune forgets deleted files, which a run of hours would gather.
func (l *ledger) prune() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, e := range l.byName {
		if e.state == deleted {
			delete(l.byName, name)
		}
	}
}

// change changes an entry under the lock.
func (l *ledger) change(e *entry, fn func(*entry)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fn(e)
}
