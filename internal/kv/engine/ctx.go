package engine

import (
	"bytes"
	"strings"
	"time"
)

// Ctx is one run of a command: its arguments, where its answer goes, and what it does to the keyspace.
type Ctx struct {
	E    *Engine
	S    *Session
	Cmd  *Command
	Args [][]byte // the name first; valid while the command runs
	Out  Reply

	db      *db
	begin   time.Duration // of the run, since the engine was made; 0 = it has not begun
	failed  bool
	waits   bool // the session waits: the command will run again
	dirty   bool
	own     bool   // effects were given, the command itself is none
	retried bool   // it has waited before
	late    bool   // and its time is over
	wrote   bool   // it is a script that has called a command which writes
	ready   []byte // the key that was signalled to it
}

// Nested says that the command runs within a transaction or a script.
func (c *Ctx) Nested() bool { return c.S.nested || c.S.Internal }

// Fail answers an error: a word for programs, and a sentence.
func (c *Ctx) Fail(text string) {
	c.failed = true
	c.E.fail(c.Out, text)
}

// OK answers OK.
func (c *Ctx) OK() { c.Out.Simple("OK") }

// Is says whether an argument is a word, in any case.
func (c *Ctx) Is(i int, word string) bool {
	return len(c.Args[i]) == len(word) && strings.EqualFold(string(c.Args[i]), word)
}

// Int parses an argument as an integer; false after an error was answered.
func (c *Ctx) Int(i int) (int64, bool) {
	n, ok := parseInt(c.Args[i])
	if !ok {
		c.Fail(errNotInt)
	}
	return n, ok
}

// Float parses an argument as a number; false after an error was answered.
func (c *Ctx) Float(i int) (float64, bool) {
	f, ok := parseFloat(c.Args[i])
	if !ok {
		c.Fail(errNotFloat)
	}
	return f, ok
}

// read finds a key of any type for looking at it. It counts as a hit or a miss.
func (c *Ctx) read(key []byte) *item {
	it := c.db.find(key)
	if it == nil {
		c.E.stats.Misses++
		c.E.missed(c.db, key)
	} else {
		c.E.stats.Hits++
	}
	return it
}

// write finds a key of any type for changing it.
func (c *Ctx) write(key []byte) *item {
	it := c.db.find(key)
	if it != nil && c.E.copying != nil {
		c.E.copying.before(c.db, key)
	}
	return it
}

// readObject finds a key of one type for looking at it: obj is the zero value where there is no key; false after the error
// that the key has another type.
func readObject[T object](c *Ctx, key []byte) (obj T, ok bool) {
	return objectOf[T](c, c.read(key))
}

// writeObject is readObject for changing it.
func writeObject[T object](c *Ctx, key []byte) (it *item, obj T, ok bool) {
	it = c.write(key)
	obj, ok = objectOf[T](c, it)
	return it, obj, ok
}

func objectOf[T object](c *Ctx, it *item) (obj T, ok bool) {
	if it == nil {
		return obj, true
	}
	if it.val.obj != nil {
		if obj, ok = it.val.obj.(T); ok {
			return obj, true
		}
	}
	c.Fail(errWrongType)
	return obj, false
}

// readString finds a string for looking at it; nil where there is none; false after the error of the wrong type.
func (c *Ctx) readString(key []byte) (it *item, ok bool) { return c.stringOf(c.read(key)) }

// writeString is readString for changing it.
func (c *Ctx) writeString(key []byte) (it *item, ok bool) { return c.stringOf(c.write(key)) }

func (c *Ctx) stringOf(it *item) (*item, bool) {
	if it != nil && it.val.obj != nil {
		c.Fail(errWrongType)
		return nil, false
	}
	return it, true
}

// create puts a new object under a key that has none.
func (c *Ctx) create(key []byte, obj object) *item {
	it := c.db.put(key)
	c.db.setObject(it, obj)
	return it
}

// changed says that a key has another value: it is accounted for, whoever watches the key is told, and the command is an
// effect. An object that is empty now is removed with its key.
func (c *Ctx) changed(key []byte, it *item, class byte, event string) {
	c.dirty = true
	c.db.settle(it)
	c.E.modified(c.db, key, c.S)
	c.E.event(class, event, c.db, key)
	if o := it.val.obj; o != nil && o.kind() != KindStream && o.empty() {
		c.db.drop(key)
		c.E.event('g', "del", c.db, key)
	}
}

// remove deletes a key, if it is there, and tells whoever watches it.
func (c *Ctx) remove(key []byte) bool {
	if c.db.find(key) == nil {
		return false
	}
	c.db.drop(key)
	c.dirty = true
	c.E.modified(c.db, key, c.S)
	c.signal(key)
	c.E.event('g', "del", c.db, key)
	return true
}

// effect gives a command that has the same effect when it is repeated, in place of the one that runs. It may be called
// several times.
func (c *Ctx) effect(args ...[]byte) {
	c.own = true
	c.E.effect(c.db.id, args)
}

// effectAt is effect of a name, a key and a number, for commands that are run often: it allocates nothing.
func (c *Ctx) effectAt(name string, key []byte, n int64) {
	c.own = true
	call := &c.E.shortCall
	call[0], call[1], call[2] = append(call[0][:0], name...), append(call[1][:0], key...), appendInt(call[2][:0], n)
	c.E.effect(c.db.id, call[:])
}

// noEffect says that the command that runs is no effect, although it has changed something.
func (c *Ctx) noEffect() { c.own = true }

// logEffect hands the command itself on, if it has changed something and said nothing else.
func (c *Ctx) logEffect() {
	if c.dirty && !c.own {
		c.E.effect(c.db.id, c.Args)
	}
}

// copied is a copy of an argument, for what outlives the command.
func copied(b []byte) []byte { return append(make([]byte, 0, len(b)), b...) }

// copyArgs copies a whole call.
func copyArgs(args [][]byte) [][]byte {
	n := 0
	for _, a := range args {
		n += len(a)
	}
	flat, out := make([]byte, 0, n), make([][]byte, len(args))
	for i, a := range args {
		from := len(flat)
		flat = append(flat, a...)
		out[i] = flat[from:len(flat):len(flat)]
	}
	return out
}

// sameKey compares two keys.
func sameKey(a, b []byte) bool { return bytes.Equal(a, b) }
