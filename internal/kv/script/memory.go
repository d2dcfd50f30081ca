package script

import (
	"errors"
	goruntime "runtime"
	"runtime/metrics"
)

// A script that keeps what it makes would take the memory of the whole process, and no bound of a string or of a time would
// stop it. What it makes is counted, too much rather than too little, and now and then it is looked at what the process
// really has; what other parts of it take meanwhile counts too, which the bound has room for.
const (
	weighEvery     = 16 << 20 // bytes that are made between two looks
	reserveFrom    = 1 << 20  // bytes that are made at once, for which it is looked first
	perInstruction = 64       // bytes that one makes at most, on average
	perValue       = 48       // of a value in a table
	perTable       = 200      // of a table without anything
	perCoroutine   = 20 << 10 // what its stacks begin with
	perScriptByte  = 100      // of a text that is compiled
	mostMemory     = 64 << 20 // that a script may keep: everybody waits while it makes that, a fifth of a second where it is tables
	mostString     = 32 << 20 // one doubles up to that in 30 ms, and up to 512 MiB in 2 s
)

var errMemory = errors.New("ERR script uses too much memory")

// charge counts bytes that the script makes.
func (m *machine) charge(n int) {
	if m.run != nil {
		m.run.charge(n)
	}
}

// chargeValue counts a value that a text is made into, which may be a table: a byte of text is enough for one.
func (m *machine) chargeValue() error {
	if m.run == nil {
		return nil
	}
	if m.run.charge(perTable); m.run.budget.err != nil {
		return m.run.budget.err
	}
	return nil
}

func (r *run) charge(n int) {
	if r.made += n; r.made >= weighEvery {
		r.made = 0
		r.weigh()
	}
}

// reserve counts bytes that are made at once, and ends the script before they are if it has no room for them.
func (r *run) reserve(n int) error {
	if r.charge(n); n < reserveFrom || r.budget.err != nil {
		return r.budget.err
	}
	if r.grown()+int64(n) > r.memory {
		goruntime.GC()
		if r.grown()+int64(n) > r.memory {
			r.budget.end(errMemory)
		}
	}
	r.pace(r.grown() + int64(n))
	r.budget.left = 0 // it takes long, too
	return r.budget.err
}

// pace has the clock be looked at more often the more a script has: one instruction, such as #, may go through all of it.
func (r *run) pace(bytes int64) {
	r.budget.every = int(min(max(1, lookEvery<<20/max(1, bytes)), lookEvery))
}

// weigh ends the script if the process has grown too much since it had least. What is no longer used has to be collected to
// know that; it is when there seems to be too much.
func (r *run) weigh() {
	has := r.grown()
	r.pace(has)
	if has <= r.memory {
		return
	}
	goruntime.GC()
	if r.grown() > r.memory && r.budget.err == nil {
		r.budget.end(errMemory)
	}
}

// grown is by how much. What one script left behind is collected while the next runs, which must not have its room.
func (r *run) grown() int64 {
	now := heapBytes()
	if r.before == 0 || now < r.before {
		r.before = now
	}
	return now - r.before
}

// heapBytes is what Go's objects take, those that are not collected yet included.
func heapBytes() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64())
}
