package engine

// transaction is what MULTI has begun.
type transaction struct {
	queue   []queued
	broken  bool // a command was refused: EXEC gives up
	denyOOM bool // some command may need memory
	bytes   int
}

type queued struct {
	cmd  *Command
	args [][]byte
}

// watch is a key whose change makes EXEC give up.
type watch struct {
	db    *db
	key   string
	ended bool // it was past its end already when it was watched
}

func (t *transaction) add(cmd *Command, args [][]byte) {
	args = copyArgs(args)
	t.queue = append(t.queue, queued{cmd, args})
	t.denyOOM = t.denyOOM || cmd.Flags&DenyOOM != 0
	for _, a := range args {
		t.bytes += len(a) + 24
	}
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
	c.Out.Array(len(t.queue))
	for _, q := range t.queue {
		if c.S.Peer != nil {
			if refusal := c.S.Peer.Allow(q.cmd, q.args); refusal != "" { // rights may have changed since
				c.E.fail(c.Out, refusal)
				continue
			}
		}
		c.E.Call(c.S, q.cmd, q.args, c.Out)
	}
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
