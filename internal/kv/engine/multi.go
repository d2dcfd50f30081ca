package engine

import "encoding/binary"

// transaction is what MULTI has begun. Its commands lie one behind another in pieces without pointers: a million of them
// must neither be copied while a list of them grows, nor be looked through one by one by the garbage collector, both of
// which others would feel.
type transaction struct {
	pieces  [][]byte // of each command its place in rows, the number of its arguments, and the length and the bytes of each
	rows    []*Command
	places  map[*Command]uint64 // of rows
	n       int                 // commands
	broken  bool                // a command was refused: EXEC gives up
	denyOOM bool                // some command may need memory
	writes  bool                // some command may change something
	bytes   int
}

const (
	firstPiece = 256
	mostPiece  = 64 << 10 // but for a command that is longer
)

func (t *transaction) add(cmd *Command, args [][]byte) {
	t.denyOOM = t.denyOOM || cmd.Flags&DenyOOM != 0
	t.writes = t.writes || cmd.writes(args)
	place, known := t.places[cmd]
	if !known {
		place = uint64(len(t.rows))
		t.rows = append(t.rows, cmd)
		if t.places == nil {
			t.places = map[*Command]uint64{}
		}
		t.places[cmd] = place
	}
	need := (2 + len(args)) * binary.MaxVarintLen64
	for _, a := range args {
		need += len(a)
	}
	b := t.room(need)
	b = binary.AppendUvarint(binary.AppendUvarint(b, place), uint64(len(args)))
	for _, a := range args {
		b = append(binary.AppendUvarint(b, uint64(len(a))), a...)
	}
	t.pieces[len(t.pieces)-1] = b
	t.n++
}

// room gives the last piece, which has need bytes left.
func (t *transaction) room(need int) []byte {
	size := firstPiece
	if n := len(t.pieces); n > 0 {
		last := t.pieces[n-1]
		if cap(last)-len(last) >= need {
			return last
		}
		size = min(2*cap(last), mostPiece)
	}
	b := make([]byte, 0, max(size, need))
	t.pieces = append(t.pieces, b)
	t.bytes += cap(b)
	return b
}

// each gives the commands in their order. The arguments are valid until the next.
func (t *transaction) each(f func(cmd *Command, args [][]byte)) {
	var args [][]byte
	for _, b := range t.pieces {
		next := func() uint64 {
			v, n := binary.Uvarint(b)
			b = b[n:]
			return v
		}
		for len(b) > 0 {
			cmd := t.rows[next()]
			args = args[:0]
			for n := next(); n > 0; n-- {
				size := next()
				args = append(args, b[:size:size])
				b = b[size:]
			}
			f(cmd, args)
		}
	}
}

// watch is a key whose change makes EXEC give up.
type watch struct {
	db    *db
	key   string
	ended bool // it was past its end already when it was watched
}

// QueuedBytes is what the session's transaction has queued, for the bounds of its owner.
func (s *Session) QueuedBytes() int {
	if s.multi == nil {
		return 0
	}
	return s.multi.bytes
}

func transactionCommands() []*Command {
	return []*Command{
		{Name: "multi", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | NoMulti, Group: "transactions", Since: "1.2.0", Complexity: "O(1)", Summary: "Starts a transaction.", Run: multiCmd, Categories: []Category{"transaction"}},
		{Name: "exec", Arity: 1, Flags: NoScript | Loading | Stale | SkipSlowLog | NoMulti, Group: "transactions", Since: "1.2.0", Complexity: "Depends on commands in the transaction", Summary: "Executes all commands in a transaction.", Run: execCmd, Categories: []Category{"transaction"}},
		{Name: "discard", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy | NoMulti, Group: "transactions", Since: "2.0.0", Complexity: "O(N), when N is the number of queued commands", Summary: "Discards a transaction.", Run: discardCmd, Categories: []Category{"transaction"}},
		{Name: "watch", Arity: -2, Flags: NoScript | Loading | Stale | Fast | AllowBusy | NoMulti, Keys: Keys{1, -1, 1}, Group: "transactions", Since: "2.2.0", Complexity: "O(1) for every key.", Summary: "Monitors changes to keys to determine the execution of a transaction.", Run: watchCmd, Categories: []Category{"transaction"}},
		{Name: "unwatch", Arity: 1, Flags: NoScript | Loading | Stale | Fast | AllowBusy, Group: "transactions", Since: "2.2.0", Complexity: "O(1)", Summary: "Forgets about watched keys of a transaction.", Run: unwatchCmd, Categories: []Category{"transaction"}},
	}
}

func multiCmd(c *Ctx) {
	if c.S.multi != nil {
		c.Fail("ERR MULTI calls can not be nested")
		return
	}
	c.S.multi = &transaction{}
	c.OK()
}

func discardCmd(c *Ctx) {
	if c.S.multi == nil {
		c.Fail("ERR DISCARD without MULTI")
		return
	}
	c.E.discardMulti(c.S)
	c.OK()
}

func (e *Engine) discardMulti(s *Session) {
	s.multi = nil
	e.unwatch(s)
}

func execCmd(c *Ctx) {
	t := c.S.multi
	if t == nil {
		c.Fail("ERR EXEC without MULTI")
		return
	}
	stale := c.E.stale(c.S)
	c.E.discardMulti(c.S)
	if t.broken {
		c.Fail("EXECABORT Transaction discarded because of previous errors.")
		return
	}
	if stale {
		c.Out.NullArray()
		return
	}
	nested := c.S.nested
	c.S.nested = true
	c.Out.Array(t.n)
	t.each(func(cmd *Command, args [][]byte) {
		if c.S.Peer != nil {
			if refusal := c.S.Peer.Allow(cmd, args); refusal != "" { // rights may have changed since
				c.E.fail(c.Out, refusal)
				return
			}
		}
		c.E.Call(c.S, cmd, args, c.Out)
	})
	c.S.nested = nested
}

func watchCmd(c *Ctx) {
	if c.S.multi != nil {
		c.Fail("ERR WATCH inside MULTI is not allowed")
		return
	}
	for _, key := range c.Args[1:] {
		c.E.watch(c.S, c.db, key)
	}
	c.OK()
}

func unwatchCmd(c *Ctx) {
	c.E.unwatch(c.S)
	c.OK()
}

func (e *Engine) watch(s *Session, d *db, key []byte) {
	for _, w := range s.watches {
		if w.db == d && w.key == string(key) {
			return
		}
	}
	it := d.items.find(key)
	w := watch{db: d, key: string(key), ended: it != nil && e.ended(it)}
	s.watches = append(s.watches, w)
	d.watched[w.key] = append(d.watched[w.key], s)
}

func (e *Engine) unwatch(s *Session) {
	for _, w := range s.watches {
		list := w.db.watched[w.key]
		for i, o := range list {
			if o == s {
				list = append(list[:i], list[i+1:]...)
				break
			}
		}
		if len(list) == 0 {
			delete(w.db.watched, w.key)
		} else {
			w.db.watched[w.key] = list
		}
	}
	s.watches, s.stale = nil, false
}

// stale says whether a watched key was changed, or has ended since.
func (e *Engine) stale(s *Session) bool {
	if s.stale {
		return true
	}
	for _, w := range s.watches {
		if it := w.db.items.find([]byte(w.key)); it != nil && !w.ended && e.ended(it) {
			return true
		}
	}
	return false
}

// touchWatched marks the sessions that watch a key.
func (d *db) touchWatched(key []byte) {
	for _, s := range d.watched[string(key)] {
		s.stale = true
	}
}

// touchAllWatched marks sessions whose watched key is there now or in the database that takes its place.
func (d *db) touchAllWatched(other *db) {
	for key, list := range d.watched {
		if d.peek([]byte(key)) != nil || other != nil && other.peek([]byte(key)) != nil {
			for _, s := range list {
				s.stale = true
			}
		}
	}
}
