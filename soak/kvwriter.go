package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// kvWriter is a client that alone writes to its keys, one command or several at a time, and knows what has to be there.
type kvWriter struct {
	maker *kvMaker
	base  *kvSpace // what was there when the units began
	now   *kvSpace // with all of them that were answered
	units []*kvUnit
	tally *tally
}

func newKVWriter(t *tally, client int, seed uint64) *kvWriter {
	w := &kvWriter{tally: t, base: newKVSpace(), now: newKVSpace(), maker: &kvMaker{
		rnd:    rand.New(rand.NewPCG(seed, uint64(client))), //nolint:gosec // not for secrets
		client: client, dbs: []int{0, 1 + 2*client, 2 + 2*client}, now: func() int64 { return time.Now().UnixMilli() },
	}}
	w.maker.space = w.now
	return w
}

// unit is what is sent next.
func (w *kvWriter) unit() *kvUnit {
	first := w.maker.step()
	u := &kvUnit{steps: []kvStep{first}}
	n := w.maker.rnd.IntN(10)
	if first.alone || n > 3 {
		return u
	}
	u.form = [...]kvForm{kvMulti, kvMulti, kvScript, kvFailed}[n]
	for range 1 + w.maker.rnd.IntN(5) {
		if s := w.maker.step(); !s.alone {
			u.steps = append(u.steps, s)
		}
	}
	return u
}

// write sends units until the connection ends or ctx does.
func (w *kvWriter) write(ctx context.Context, c *kvConn) error {
	db := 0
	for ctx.Err() == nil {
		batch := []*kvUnit{w.unit()}
		for range w.maker.rnd.IntN(6) {
			u := w.unit()
			if batch[0].steps[0].alone || u.steps[0].alone {
				break
			}
			batch = append(batch, u)
		}
		for _, u := range batch {
			u.put(c, &db)
		}
		w.units = append(w.units, batch...)
		if err := c.send(); err != nil {
			return err
		}
		for _, u := range batch {
			if err := u.read(c); err != nil {
				return err
			}
			w.take(u)
		}
	}
	return nil
}

// take books an answer.
func (w *kvWriter) take(u *kvUnit) {
	wrong := u.apply(w.now, nil)
	if wrong != "" {
		w.tally.broke("answer", "%s", wrong)
	}
	switch {
	case u.refused():
		w.tally.refused("MISCONF")
	default:
		w.tally.add("acknowledged", 1)
		if u.form == kvMulti {
			w.tally.add("transactions acknowledged", 1)
		} else if u.form != kvPlain {
			w.tally.add("scripts acknowledged", 1)
		}
	}
}

// kvPromise is what holds of acknowledged writes after a kill.
type kvPromise struct {
	killed time.Time
	all    bool          // each is there
	within time.Duration // else each that is older; negative = none has to be there
}

// owed says whether what was acknowledged at a moment has to be there.
func (p kvPromise) owed(at time.Time) bool {
	return p.all || p.within >= 0 && p.killed.Sub(at) > p.within
}

// verify compares what is on the server with what this client has written: it has to be what was there after one of its
// units, and that not before the last one that is owed.
func (w *kvWriter) verify(c *kvConn, p kvPromise) error {
	found, err := readKV(c, w.maker.client, w.maker.dbs)
	if err != nil {
		return fmt.Errorf("read what is there: %w", err)
	}
	heard, owed := 0, 0
	for i, u := range w.units {
		if u.heard.IsZero() {
			break
		}
		if heard = i + 1; p.owed(u.heard) {
			owed = i + 1
		}
	}
	match, m, nearest := w.search(found, owed)
	switch {
	case match < 0:
		w.tally.broke("torn", "client %d: what is there is not what was after any of %d units (%d answered, %d owed); nearest:\n%s", w.maker.client, len(w.units), heard, owed, nearest)
		return w.forget(c, found)
	case match < owed:
		w.tally.broke("lost", "client %d: %d of %d units that were answered are gone, %d of them owed, the first %s, answered %v before the kill",
			w.maker.client, heard-match, heard, owed-match, w.units[match], p.killed.Sub(w.units[match].heard).Round(time.Millisecond))
	case match < heard:
		w.tally.add("lost, as may be", int64(heard-match))
		w.tally.took("loss", p.killed.Sub(w.units[match].heard))
	case match > heard:
		w.tally.add("unacknowledged, kept whole", int64(match-heard))
	}
	w.tally.add("verified", int64(match))
	w.tally.add("keys verified", int64(len(found.items)))
	w.rebase(m)
	return nil
}

// rebase begins anew from what is there.
func (w *kvWriter) rebase(m *kvSpace) {
	w.base, w.now, w.units = m, m.clone(), nil
	w.maker.space = w.now
}

// search finds the last unit after which everything was as it was found; the model as it was then; and, if there is none,
// what differs where least does.
func (w *kvWriter) search(found *kvView, owed int) (match int, at *kvSpace, nearest string) {
	m := w.base.clone()
	off := found.differing(m)
	match = -1
	least := len(off) + 1
	look := func(n int) {
		if len(off) == 0 {
			match, at = n, m.clone()
		} else if n >= owed && len(off) < least {
			least, nearest = len(off), describe(n, off, m, found)
		}
	}
	look(0)
	for i, u := range w.units {
		clear(m.touched)
		u.apply(m, found)
		for k := range m.touched {
			delete(off, k)
			if !found.agrees(k, m.items[k]) {
				off[k] = true
			}
		}
		look(i + 1)
	}
	return match, at, nearest
}

func describe(n int, off map[kvKey]bool, m *kvSpace, found *kvView) string {
	list := []string{fmt.Sprintf("after %d units", n)}
	for k := range off {
		list = append(list, fmt.Sprintf("%d %s: %.500s, not %.500s", k.db, k.name, found.items[k], m.items[k]))
	}
	slices.Sort(list[1:])
	return strings.Join(list[:min(len(list), 6)], "\n")
}

// forget removes everything, so that one broken promise is counted once.
func (w *kvWriter) forget(c *kvConn, found *kvView) error {
	db := 0
	for k := range found.items {
		u := &kvUnit{steps: []kvStep{{db: k.db, args: []string{"DEL", k.name}}}}
		u.put(c, &db)
		if err := errors.Join(c.send(), u.read(c)); err != nil {
			return err
		}
	}
	w.rebase(newKVSpace())
	return nil
}
