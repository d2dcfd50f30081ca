package blob

import (
	"context"
	"sync"
)

// lock enters the gate of sha: until unlock or downgrade its caller alone names or removes the file.
func (d *Dir) lock(ctx context.Context, sha string) (*entry, error) {
	d.mu.Lock()
	e := d.entries[sha]
	if e == nil {
		e = &entry{busy: make(chan struct{}, 1)}
		d.entries[sha] = e
	}
	e.users++
	d.mu.Unlock()
	select {
	case e.busy <- struct{}{}:
		return e, nil
	case <-ctx.Done():
		d.leave(sha, e)
		return nil, context.Cause(ctx)
	}
}

func (d *Dir) unlock(sha string, e *entry) {
	<-e.busy
	d.leave(sha, e)
}

// downgrade leaves the gate holding the blob; the returned function ends the hold.
func (d *Dir) downgrade(sha string, e *entry) (release func()) {
	d.mu.Lock()
	e.holds++
	d.mu.Unlock()
	<-e.busy
	return sync.OnceFunc(func() {
		d.mu.Lock()
		e.holds--
		d.mu.Unlock()
		d.leave(sha, e)
	})
}

func (d *Dir) held(e *entry) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return e.holds > 0
}

func (d *Dir) leave(sha string, e *entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.users--; e.users == 0 {
		delete(d.entries, sha)
	}
}
