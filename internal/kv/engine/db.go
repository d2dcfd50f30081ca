package engine

// db is one numbered database.
type db struct {
	e       *Engine
	id      int
	items   *dict[value]
	ends    expiries
	used    int64                // bytes of its items
	waiting map[string]*keyQueue // clients that wait for a key
	watched map[string][]*Session
}

func newDB(e *Engine, id int) *db {
	return &db{e: e, id: id, items: newDict[value](e.seed), waiting: map[string]*keyQueue{}, watched: map[string][]*Session{}}
}

// peek finds a key that has not ended, and does nothing else.
func (d *db) peek(key []byte) *item {
	it := d.items.find(key)
	if it == nil || d.e.ended(it) {
		return nil
	}
	return it
}

// ended says that an item's time is over. While the log is read nothing ends: the log says when it did.
func (e *Engine) ended(it *item) bool {
	return it.val.expire != 0 && it.val.expire <= e.now && !e.loading
}

// find finds a key for a command, ends it if its time is over, and remembers that it was used. During a pause nothing is
// changed: a key that has ended is not there, and goes when the pause is over.
func (d *db) find(key []byte) *item {
	it := d.items.find(key)
	if it == nil {
		return nil
	}
	if d.e.ended(it) {
		if d.e.paused.until <= d.e.now {
			d.end(it)
		}
		return nil
	}
	d.e.use(it)
	return it
}

// end removes an item whose time is over.
func (d *db) end(it *item) {
	key := d.e.dropArgs(it.key())
	d.drop(key)
	d.e.stats.Expired++
	d.e.effect(d.id, d.e.dropCall[:])
	d.e.modified(d, key, nil)
	d.e.event('x', "expired", d, key)
}

// dropArgs prepares DEL of a key that nobody asked to delete, and gives the key. It is valid until the next such DEL: a
// million keys end without a million allocations, for which Go's collector would have the caller work.
func (e *Engine) dropArgs(key string) []byte {
	e.dropCall[0] = append(e.dropCall[0][:0], "DEL"...)
	e.dropCall[1] = append(e.dropCall[1][:0], key...)
	return e.dropCall[1]
}

// drop takes a key out without telling anybody.
func (d *db) drop(key []byte) {
	if d.e.copying != nil {
		d.e.copying.before(d, key)
	}
	it := d.items.remove(key)
	if it == nil {
		return
	}
	d.ceased(it)
	d.count(-bytesOf(it))
	d.ends.remove(it)
}

// put gives a key a value, a new one with no end or the place of the one it had. What counts is what put and settle say.
func (d *db) put(key []byte) *item {
	if d.e.copying != nil {
		d.e.copying.before(d, key)
	}
	it, added := d.items.add(key)
	if !added && d.e.ended(it) {
		d.end(it)
		it, added = d.items.add(key)
	}
	if !added {
		d.e.use(it)
		return it
	}
	it.val.used = d.e.freshUse()
	d.count(bytesOf(it))
	d.e.event('n', "new", d, key)
	return it
}

// setBytes gives an item a string, which is copied.
func (d *db) setBytes(it *item, b []byte) {
	had := it.val.str
	if d.release(it); cap(had) >= len(b) && cap(had) <= 2*len(b)+16 {
		had = append(had[:0], b...)
		it.val.str = had
		return
	}
	d.replaceBytes(it, append(make([]byte, 0, len(b)), b...))
}

// replaceBytes gives an item a string that nobody else has.
func (d *db) replaceBytes(it *item, b []byte) {
	d.release(it)
	d.count(sizeClass(cap(b)) - sizeClass(cap(it.val.str)))
	it.val.str = b
}

// ceased has whoever waits for a stream look again: who waits for its group is told that the stream is gone.
func (d *db) ceased(it *item) {
	if len(d.waiting) > 0 && it.val.obj != nil && it.val.obj.kind() == KindStream {
		d.e.signal(d, []byte(it.key()))
	}
}

// release takes an item's object away, so that it is a string.
func (d *db) release(it *item) {
	if it.val.obj != nil {
		d.ceased(it)
		d.count(-*it.val.obj.counted())
		*it.val.obj.counted() = 0
		it.val.obj = nil
	}
}

// setObject gives an item an object.
func (d *db) setObject(it *item, obj object) {
	d.release(it)
	d.count(-sizeClass(cap(it.val.str)))
	it.val.str = nil
	it.val.obj = obj
	d.settle(it)
}

// settle accounts for an object that has changed.
func (d *db) settle(it *item) {
	if it.val.obj == nil {
		return
	}
	n, counted := it.val.obj.bytes(), it.val.obj.counted()
	d.count(n - *counted)
	*counted = n
}

// setExpire says when an item ends; 0 = never.
func (d *db) setExpire(it *item, at int64) {
	if it.val.expire == at {
		return
	}
	was := it.val.heap > 0
	it.val.expire = at
	if at == 0 {
		d.ends.remove(it)
	} else {
		d.ends.set(it)
		if it.val.heap == 1 {
			d.e.rouse()
		}
	}
	if is := it.val.heap > 0; is != was {
		if is {
			d.count(pointerBytes)
		} else {
			d.count(-pointerBytes)
		}
	}
}

// count accounts for bytes of the database.
func (d *db) count(n int64) {
	d.used += n
	d.e.used += n
}

// take removes an item from its database and gives its value another key, in another database if need be. What was
// under that key must be gone.
func (d *db) take(from *db, it *item, key []byte) {
	val := it.val
	from.drop([]byte(it.key()))
	to := d.put(key)
	to.val.used = val.used&^flagCopied | to.val.used&flagCopied
	if val.obj != nil {
		*val.obj.counted() = 0
		d.setObject(to, val.obj)
	} else {
		d.replaceBytes(to, val.str)
	}
	d.setExpire(to, val.expire)
}

// clear removes all keys, however many, and gives how many they were.
func (d *db) clear() int {
	n := d.items.len()
	d.count(-d.used)
	d.items = newDict[value](d.e.seed)
	d.ends = expiries{}
	return n
}
