package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// handed is one item that is given from a producer to a consumer.
type handed struct {
	pushed  bool // sent at least
	since   time.Time
	ending  bool
	ended   time.Time // its end was acknowledged
	holder  string    // who has it, as far as that was acknowledged
	holding time.Time
}

// kvQueue is what is known of the items of one queue, each of which is pushed once and ends once.
type kvQueue struct {
	mu      sync.Mutex // guards what follows
	items   map[string]*handed
	next    int64
	unheard int // pops that were under way when the connection ended: each may have taken an item along
	last    map[string]int64
}

func newKVQueue() *kvQueue { return &kvQueue{items: map[string]*handed{}, last: map[string]int64{}} }

func (q *kvQueue) push(producer int) string {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next++
	id := fmt.Sprintf("p%d.%d", producer, q.next)
	q.items[id] = &handed{pushed: true}
	return id
}

func (q *kvQueue) change(id string, f func(h *handed)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if h := q.items[id]; h != nil {
		f(h)
	}
}

// got books an item that a consumer was given; false says that nobody pushed it, or that it had ended.
func (q *kvQueue) got(id string) (known, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := q.items[id]
	return h != nil, h != nil && !h.ended.IsZero()
}

// inOrder books what a consumer was given and says whether it came after what it was given before of the same producer.
func (q *kvQueue) inOrder(consumer, id string) bool {
	producer, number, _ := strings.Cut(id, ".")
	n, _ := strconv.ParseInt(number, 10, 64)
	q.mu.Lock()
	defer q.mu.Unlock()
	before := q.last[consumer+producer]
	q.last[consumer+producer] = n
	return n > before
}

// handover is the way that items of one queue go.
type handover struct {
	name string
	push func(c *kvConn, id string) error
	// take waits for an item for a while; "" = none came. end says that it is done with.
	take func(c *kvConn, consumer string) (string, error)
	end  func(c *kvConn, consumer, id string) error
	// look gives the items that are there, once for each time that they are, with who holds them ("" = nobody).
	look func(c *kvConn) (map[string]string, []string, error)
	once bool // take is the end as well
}

// handovers are a list that is popped from, a list of which each consumer moves items to one of its own, and a stream that
// a group reads.
func handovers() []handover {
	return []handover{poppedList(), movedList(), workStream()}
}

func poppedList() handover {
	return handover{
		name: "popped", once: true,
		push: func(c *kvConn, id string) error { return ask(c, "LPUSH", "q:popped", id) },
		take: func(c *kvConn, _ string) (string, error) {
			v, err := c.do("BRPOP", "q:popped", "0.05")
			if pair := kvStrings(v); len(pair) == 2 {
				return pair[1], err
			}
			return "", err
		},
		look: func(c *kvConn) (map[string]string, []string, error) {
			there := map[string]string{}
			twice, err := collect(c, there, "", "q:popped")
			return there, twice, err
		},
	}
}

func movedList() handover {
	return handover{
		name: "moved",
		push: func(c *kvConn, id string) error { return ask(c, "LPUSH", "q:moved", id) },
		take: func(c *kvConn, consumer string) (string, error) {
			v, err := c.do("BLMOVE", "q:moved", "q:moved:"+consumer, "RIGHT", "LEFT", "0.05")
			id, _ := v.(string)
			return id, err
		},
		end: func(c *kvConn, consumer, id string) error { return ask(c, "LREM", "q:moved:"+consumer, "1", id) },
		look: func(c *kvConn) (map[string]string, []string, error) {
			there := map[string]string{}
			twice, err := collect(c, there, "", "q:moved")
			for _, consumer := range kvConsumers() {
				if err != nil {
					break
				}
				var more []string
				more, err = collect(c, there, consumer, "q:moved:"+consumer)
				twice = append(twice, more...)
			}
			return there, twice, err
		},
	}
}

func workStream() handover {
	const stream, group = "q:stream", "workers"
	return handover{
		name: "stream",
		push: func(c *kvConn, id string) error { return ask(c, "XADD", stream, "*", "id", id) },
		take: func(c *kvConn, consumer string) (string, error) {
			v, err := c.do("XREADGROUP", "GROUP", group, consumer, "COUNT", "1", "BLOCK", "50", "STREAMS", stream, ">")
			id, entry := entryOf(v)
			if id == "" {
				return "", err
			}
			return id + " " + entry, err
		},
		end: func(c *kvConn, _, id string) error {
			_, entry, _ := strings.Cut(id, " ")
			for _, args := range [][]string{{"MULTI"}, {"XACK", stream, group, entry}, {"XDEL", stream, entry}, {"EXEC"}} {
				c.put(args...)
			}
			if err := c.send(); err != nil {
				return err
			}
			for range 4 {
				v, err := c.read()
				if err != nil {
					return err
				}
				if e, is := v.(kvError); is {
					return e
				}
			}
			return nil
		},
		look: func(c *kvConn) (map[string]string, []string, error) { return lookAtStream(c, stream, group) },
	}
}

// entryOf takes the one entry out of what XREADGROUP answers.
func entryOf(v any) (id, entry string) {
	for range 4 { // a list of streams, a stream, its entries, an entry
		list, _ := v.([]any)
		if len(list) == 0 {
			return "", ""
		}
		if fields, is := list[len(list)-1].([]any); is && len(list) == 2 && len(kvStrings(fields)) == 2 {
			return kvStrings(fields)[1], kvText(list[0])
		}
		v = list[len(list)-1]
	}
	return "", ""
}

func lookAtStream(c *kvConn, stream, group string) (there map[string]string, twice []string, err error) {
	there = map[string]string{}
	if _, err := c.do("XGROUP", "CREATE", stream, group, "0", "MKSTREAM"); err != nil && !strings.Contains(err.Error(), "BUSYGROUP") && !refusedForDisk(err) {
		return nil, nil, err
	}
	v, err := c.do("XRANGE", stream, "-", "+")
	if err != nil {
		return nil, nil, err
	}
	entries, _ := v.([]any)
	byEntry := map[string]string{}
	for _, e := range entries {
		pair, _ := e.([]any)
		if len(pair) != 2 || len(kvStrings(pair[1])) != 2 {
			return nil, nil, fmt.Errorf("an entry is %.100q", kvText(e))
		}
		id := kvStrings(pair[1])[1]
		if _, has := there[id]; has {
			twice = append(twice, id)
		}
		there[id] = ""
		byEntry[kvText(pair[0])] = id
	}
	if v, err = c.do("XPENDING", stream, group, "-", "+", "100000"); err != nil {
		return nil, nil, err
	}
	rows, _ := v.([]any)
	for _, row := range rows {
		if words := kvStrings(row); len(words) == 2 {
			if id, has := byEntry[words[0]]; has {
				there[id] = words[1]
			} else {
				twice = append(twice, "pending and not there: "+words[0])
			}
		}
	}
	return there, twice, nil
}

func ask(c *kvConn, args ...string) error {
	_, err := c.do(args...)
	return err
}

// collect reads a list and gives what was there before.
func collect(c *kvConn, there map[string]string, holder, key string) (twice []string, err error) {
	v, err := c.do("LRANGE", key, "0", "-1")
	if err != nil {
		return nil, err
	}
	for _, id := range kvStrings(v) {
		if _, has := there[id]; has {
			twice = append(twice, id)
		}
		there[id] = holder
	}
	return twice, nil
}

func kvConsumers() []string { return []string{"a", "b"} }

// produce pushes until ctx or the connection ends.
func (q *kvQueue) produce(ctx context.Context, c *kvConn, way handover, producer int, t *tally) error {
	for ctx.Err() == nil {
		id := q.push(producer)
		err := way.push(c, id)
		if refusedForDisk(err) {
			t.refused("MISCONF")
			q.mu.Lock()
			delete(q.items, id)
			q.mu.Unlock()
			pause(ctx, 5*time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		q.change(id, func(h *handed) { h.since = time.Now() })
		t.add("items pushed", 1)
		pause(ctx, time.Millisecond)
	}
	return nil
}

func refusedForDisk(err error) bool { return err != nil && strings.Contains(err.Error(), "MISCONF") }

// consume takes items until ctx or the connection ends.
func (q *kvQueue) consume(ctx context.Context, c *kvConn, way handover, consumer string, t *tally) error {
	for ctx.Err() == nil {
		item, err := way.take(c, consumer)
		if refusedForDisk(err) {
			t.refused("MISCONF")
			pause(ctx, 5*time.Millisecond)
			continue
		}
		if err != nil {
			q.mu.Lock()
			q.unheard++
			q.mu.Unlock()
			return err
		}
		if item == "" {
			continue
		}
		id, _, _ := strings.Cut(item, " ")
		known, ended := q.got(id)
		switch {
		case !known:
			t.broke("uninvited", "%s: %s was taken, which nobody pushed or whose end was acknowledged", way.name, id)
		case ended:
			t.broke("doubled", "%s: %s was taken after its end was acknowledged", way.name, id)
		case !q.inOrder(consumer, id):
			t.broke("order", "%s: %s came to %s after a later one", way.name, id, consumer)
		}
		q.change(id, func(h *handed) { h.holder, h.holding = consumer, time.Now() })
		if err := q.finish(ctx, c, way, consumer, item, t); err != nil {
			return err
		}
	}
	return nil
}

// finish ends an item that was taken.
func (q *kvQueue) finish(ctx context.Context, c *kvConn, way handover, consumer, item string, t *tally) error {
	id, _, _ := strings.Cut(item, " ")
	for !way.once {
		q.change(id, func(h *handed) { h.ending = true })
		err := way.end(c, consumer, item)
		if !refusedForDisk(err) && (err == nil || !strings.Contains(err.Error(), "EXECABORT")) {
			if err != nil {
				return err
			}
			break
		}
		t.refused("MISCONF")
		if !pause(ctx, 5*time.Millisecond) {
			return nil
		}
	}
	q.change(id, func(h *handed) { h.ending, h.ended = true, time.Now() })
	t.add("items ended", 1)
	return nil
}
