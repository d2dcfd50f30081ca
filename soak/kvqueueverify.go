package main

import (
	"fmt"
	"time"
)

// verify compares a queue on the server with what is known of its items.
func (q *kvQueue) verify(c *kvConn, way handover, p kvPromise, t *tally) error {
	there, twice, err := way.look(c)
	if err != nil {
		return fmt.Errorf("look at queue %s: %w", way.name, err)
	}
	for _, id := range twice {
		t.broke("doubled", "%s: %s is there twice", way.name, id)
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for id := range there {
		if q.items[id] == nil {
			t.broke("uninvited", "%s: %s is there, which nobody pushed or whose end was acknowledged", way.name, id)
		}
	}
	lost := 0
	for id, h := range q.items {
		holder, is := there[id]
		lost += q.judge(way, id, h, is, holder, p, t)
		if !is {
			delete(q.items, id)
			continue
		}
		// What was found is what there is from now on.
		*h = handed{pushed: true, since: time.Time{}.Add(1), holder: holder}
		t.add("items verified", 1)
	}
	if lost > q.unheard {
		t.broke("lost", "%s: %d items are gone that were pushed and not taken, %d pops were under way", way.name, lost, q.unheard)
	} else {
		t.add("items taken along by a pop that was not answered", int64(lost))
	}
	q.unheard = 0
	clear(q.last) // what came back is taken again
	return nil
}

// judge looks at one item. It gives 1 for one that a pop which was under way may have taken.
func (q *kvQueue) judge(way handover, id string, h *handed, is bool, holder string, p kvPromise, t *tally) (gone int) {
	acknowledged, ended := !h.since.IsZero(), !h.ended.IsZero()
	switch {
	case ended && is && p.owed(h.ended):
		t.broke("doubled", "%s: %s is there, its end was acknowledged %v before the kill", way.name, id, p.killed.Sub(h.ended).Round(time.Millisecond))
	case ended && is:
		t.add("lost, as may be", 1)
		t.took("loss", p.killed.Sub(h.ended))
	case ended || h.ending || is && !acknowledged:
	case acknowledged && !is && p.owed(h.since) && way.once:
		return 1
	case acknowledged && !is && p.owed(h.since):
		t.broke("lost", "%s: %s is gone, which was acknowledged %v before the kill", way.name, id, p.killed.Sub(h.since).Round(time.Millisecond))
	case acknowledged && !is && way.once && q.unheard > 0: // a pop may have taken it, or it was lost
	case acknowledged && !is:
		t.add("lost, as may be", 1)
		t.took("loss", p.killed.Sub(h.since))
	case is && holder != h.holder && h.holder != "" && p.owed(h.holding):
		t.broke("lost", "%s: %s is held by %q, it was given to %q", way.name, id, holder, h.holder)
	}
	return 0
}
