package engine

// Copy goes through all items as they were at one moment while commands go on: an item that is about to change is
// copied first. So a log can begin anew without a stop and without a second keyspace.
//
// Each item has a flag that says whether the copy has it; new ones are born with it.
type Copy struct {
	e      *Engine
	emit   func(db int, args [][]byte) // copies what it keeps
	call   itemCall
	tables []copyTable
	at     int
	cursor uint64
}

// copyTable is a database's table at the moment of the copy. FLUSHALL gives the database another.
type copyTable struct {
	db    int
	items *dict[value]
}

// Copy begins a copy; emit is called under the lock, in Step and in what commands do, with the commands that make the
// items anew. There is one copy at a time; nil if one runs.
func (e *Engine) Copy(emit func(db int, args [][]byte)) *Copy {
	if e.copying != nil {
		return nil
	}
	e.copyFlag ^= flagCopied
	c := &Copy{e: e, emit: emit}
	for _, d := range e.dbs {
		c.tables = append(c.tables, copyTable{d.id, d.items})
	}
	e.copying = c
	if e.cfg.Hooks.Copying != nil {
		e.cfg.Hooks.Copying(func(args [][]byte) { emit(0, args) })
	}
	return c
}

// Step copies about n items, under the lock; false when all are copied.
func (c *Copy) Step(n int) bool {
	for ; n > 0 && c.at < len(c.tables); n-- {
		t := c.tables[c.at]
		c.cursor = t.items.scan(c.cursor, func(it *item) {
			c.item(t.db, it)
			n--
		})
		if c.cursor == 0 {
			c.tables[c.at].items = nil
			c.at++
		}
	}
	if c.at < len(c.tables) {
		return true
	}
	c.e.copying = nil
	return false
}

// Stop gives the copy up. The rest of the items are marked, so that the next one begins right.
func (c *Copy) Stop() {
	c.emit = func(int, [][]byte) {}
	for c.Step(1 << 10) {
	}
}

// before copies an item that is about to change.
func (c *Copy) before(d *db, key []byte) {
	if it := d.items.find(key); it != nil && it.val.used&flagCopied != c.e.copyFlag {
		for _, t := range c.tables[min(c.at, len(c.tables)):] {
			if t.items == d.items {
				c.item(t.db, it)
				return
			}
		}
	}
}

// item copies an item unless it is copied. One that has ended is copied as well: the log will say when it did.
func (c *Copy) item(db int, it *item) {
	if it.val.used&flagCopied == c.e.copyFlag {
		return
	}
	it.val.used = it.val.used&^flagCopied | c.e.copyFlag
	c.call.rewrite(it, func(args [][]byte) { c.emit(db, args) })
}

// itemCall is room for the calls that make items anew: a copy of a million keys is no work for the collector.
type itemCall struct {
	args [3][]byte
	word [16]byte
	end  [20]byte
}

// rewrite gives the commands that make an item anew. They are valid during emit only.
func (c *itemCall) rewrite(it *item, emit func(args [][]byte)) {
	key := raw(it.key())
	if it.val.obj == nil {
		c.args = [3][]byte{append(c.word[:0], "SET"...), key, it.val.str}
		emit(c.args[:])
	} else {
		it.val.obj.rewrite(key, emit)
	}
	if it.val.expire != 0 {
		c.args = [3][]byte{append(c.word[:0], "PEXPIREAT"...), key, appendInt(c.end[:0], it.val.expire)}
		emit(c.args[:])
	}
	c.args = [3][]byte{}
}
