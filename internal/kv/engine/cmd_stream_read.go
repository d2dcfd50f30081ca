package engine

import (
	"fmt"
	"math"
	"slices"
)

// xread is what XREAD and XREADGROUP are asked for.
type xread struct {
	block    bool
	until    int64
	count    int64
	noack    bool
	of       []byte // the group; nil of XREAD
	consumer []byte
	keys     [][]byte
	ids      [][]byte
	streams  []xreadStream
}

// xreadStream is one of the streams.
type xreadStream struct {
	key   []byte
	it    *item
	s     *stream // nil = no key
	g     *group
	after streamID
	fresh bool // ">": what the group was not given yet
}

// blockedCount is how many entries a client gets that has waited and named no count.
const blockedCount = 1000

func xreadCmd(c *Ctx) {
	r := xread{}
	if !r.parse(c) || !r.resolve(c) {
		return
	}
	if c.retried && r.count == 0 {
		r.count = blockedCount
	}
	mark, n := c.Out.Mark(), 0
	for i := range r.streams {
		if r.streams[i].ready() {
			r.answer(c, &r.streams[i])
			n++
		}
	}
	if r.of != nil {
		c.noEffect() // each change was told
	}
	switch {
	case n > 0 && c.Out.Version() >= 3:
		c.Out.MapAt(mark, n)
	case n > 0:
		c.Out.ArrayAt(mark, n)
	case r.block:
		r.wait(c)
	default:
		c.Out.NullArray()
	}
}

// parse takes the arguments; false after an error.
func (r *xread) parse(c *Ctx) bool {
	inGroup := c.Cmd.Name == "xreadgroup"
	at := 1
	for ; at < len(c.Args) && r.keys == nil; at++ {
		more := len(c.Args) - at - 1
		switch {
		case more > 0 && c.Is(at, "block"):
			if c.S.script {
				c.Fail(fmt.Sprintf("ERR %s command is not allowed with BLOCK option from scripts", c.Args[0]))
				return false
			}
			at++
			if !r.limit(c, at) {
				return false
			}
		case more > 0 && c.Is(at, "count"):
			at++
			n, ok := c.Int(at)
			if !ok {
				return false
			}
			r.count = max(n, 0)
		case more > 0 && c.Is(at, "streams"):
			if more%2 != 0 {
				c.Fail("ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.")
				return false
			}
			r.keys, r.ids = c.Args[at+1:at+1+more/2], c.Args[at+1+more/2:]
		case more >= 2 && c.Is(at, "group"), c.Is(at, "noack"):
			if !inGroup {
				c.Fail(fmt.Sprintf("ERR The %s option is only supported by XREADGROUP. You called XREAD instead.", upper(c.Args[at])))
				return false
			}
			if c.Is(at, "noack") {
				r.noack = true
				break
			}
			r.of, r.consumer = c.Args[at+1], c.Args[at+2]
			at += 2
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	switch {
	case r.keys == nil:
		c.Fail(errSyntax)
	case inGroup && r.of == nil:
		c.Fail("ERR Missing GROUP option for XREADGROUP")
	}
	return !c.failed
}

// limit parses how long to wait, in milliseconds; false after an error.
func (r *xread) limit(c *Ctx, i int) bool {
	n, ok := parseInt(c.Args[i])
	switch {
	case !ok:
		c.Fail("ERR timeout is not an integer or out of range")
	case n < 0:
		c.Fail(errTimeoutNegative)
	case n > math.MaxInt64-c.E.now:
		c.Fail("ERR timeout is out of range")
	default:
		if r.block, r.until = true, 0; n > 0 {
			r.until = c.E.now + n
		}
	}
	return !c.failed
}

// resolve finds the streams, their groups, and from where on each is read; false after an error.
func (r *xread) resolve(c *Ctx) bool {
	for i, key := range r.keys {
		x := xreadStream{key: key}
		if !r.find(c, &x) {
			return false
		}
		id := r.ids[i]
		switch {
		case len(id) == 1 && id[0] == '$':
			if r.of != nil {
				c.Fail("ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.")
				return false
			}
			if x.s != nil {
				x.after = x.s.last
			}
		case len(id) == 1 && id[0] == '>':
			if r.of == nil {
				c.Fail("ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.")
				return false
			}
			x.fresh, x.after = true, x.g.last
		default:
			var ok bool
			if x.after, _, ok = parseStreamID(id, idForm{strict: true}); !ok {
				c.Fail(errStreamID)
				return false
			}
			if r.of != nil && x.after == lastStreamID() { // means the same, as in Redis
				x.fresh, x.after = true, x.g.last
			}
		}
		r.streams = append(r.streams, x)
	}
	return true
}

// find finds a stream and its group. A client that waits overlooks what is no stream, unless it waits for a group.
func (r *xread) find(c *Ctx, x *xreadStream) bool {
	if x.it = c.read(x.key); x.it != nil {
		if r.of != nil {
			x.it = c.write(x.key)
		}
		x.s, _ = x.it.val.obj.(*stream)
		if x.s == nil && !c.retried {
			c.Fail(errWrongType)
			return false
		}
	}
	if r.of == nil {
		return true
	}
	if x.s != nil {
		x.g = x.s.group(r.of)
	}
	switch {
	case x.g != nil:
		return true
	case !c.retried:
		c.Fail(fmt.Sprintf("NOGROUP No such key '%s' or consumer group '%s' in XREADGROUP with GROUP option", x.key, r.of))
	case x.s == nil:
		c.Fail("UNBLOCKED the stream key no longer exists")
	default:
		c.Fail("NOGROUP the consumer group this client was blocked on no longer exists")
	}
	return false
}

// ready says whether there is something to answer. The history of a consumer is answered even if it is empty.
func (x *xreadStream) ready() bool {
	if x.g != nil && !x.fresh {
		return true
	}
	return x.s != nil && x.s.n > 0 && x.after.less(x.s.top)
}

func (r *xread) answer(c *Ctx, x *xreadStream) {
	if c.Out.Version() < 3 {
		c.Out.Array(2)
	}
	c.Out.Bulk(x.key)
	from, ok := x.after.next()
	if !ok {
		from = streamID{}
	}
	if x.g == nil {
		c.answerRange(x.s, from, lastStreamID(), r.count, false, nil)
		return
	}
	who := c.member(x.key, x.s, x.g, r.consumer)
	if x.fresh {
		r.answerFresh(c, x, who, from)
	} else {
		r.answerHistory(c, x, who, from)
	}
	c.db.settle(x.it)
}

// member finds a consumer that is at work, or makes it.
func (c *Ctx) member(key []byte, s *stream, g *group, name []byte) *consumer {
	if who := g.consumer(name); who != nil {
		who.seen = c.E.now
		return who
	}
	c.E.event('t', "xgroup-createconsumer", c.db, key)
	c.effect([]byte("XGROUP"), []byte("CREATECONSUMER"), key, []byte(g.name), name)
	return s.addConsumer(g, name, c.E.now)
}

// answerFresh gives a consumer entries that the group was not given yet.
func (r *xread) answerFresh(c *Ctx, x *xreadStream, who *consumer, from streamID) {
	n := c.answerRange(x.s, from, lastStreamID(), r.count, false, func(e *streamEntry) {
		x.g.advance(x.s, e.id)
		if !r.noack {
			c.effect(claimArgs(x.key, x.g, x.s.deliver(x.g, who, e.id, c.E.now, 1))...)
		}
	})
	if n > 0 {
		c.groupEffect(x.key, x.g)
	}
}

// groupEffect tells how far a group is.
func (c *Ctx) groupEffect(key []byte, g *group) {
	c.effect([]byte("XGROUP"), []byte("SETID"), key, []byte(g.name), g.last.append(nil), []byte("ENTRIESREAD"), appendInt(nil, g.read))
}

// answerHistory gives a consumer again what it has not acknowledged. Of an entry that is gone there is the id only.
func (r *xread) answerHistory(c *Ctx, x *xreadStream, who *consumer, from streamID) {
	mark, n := c.Out.Mark(), 0
	who.pending.each(from, func(p *pending) bool {
		there := false
		x.s.each(p.id, p.id, false, func(e *streamEntry) bool {
			there = true
			c.answerEntry(e)
			return false
		})
		if there {
			p.time = c.E.now
			p.count++
			c.effect(claimArgs(x.key, x.g, p)...)
		} else {
			c.Out.Array(2)
			c.answerID(p.id)
			c.Out.NullArray()
		}
		n++
		return r.count <= 0 || int64(n) < r.count
	})
	c.Out.ArrayAt(mark, n)
}

// wait has the session wait. What "$" is now stays so.
func (r *xread) wait(c *Ctx) {
	c.Args = slices.Clone(c.Args)
	first := len(c.Args) - len(r.ids)
	for i, id := range r.ids {
		if len(id) == 1 && id[0] == '$' {
			c.Args[first+i] = r.streams[i].after.append(nil)
		}
	}
	c.Wait(r.keys, r.until, func(c *Ctx) { c.Out.NullArray() })
}
