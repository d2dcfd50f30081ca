package ingest

import (
	"context"
	"fmt"
	"sync"
)

// keyedLocks is a lock for each key, made when needed and forgotten when nobody holds or awaits it.
type keyedLocks struct {
	mu   sync.Mutex // guards held; never held while waiting
	held map[string]*keyedLock
}

type keyedLock struct {
	token chan struct{} // holds one value while the lock is free
	users int
}

func newKeyedLocks() keyedLocks { return keyedLocks{held: map[string]*keyedLock{}} }

// lock waits for the key's lock and gives the function that frees it.
func (k *keyedLocks) lock(ctx context.Context, key string) (unlock func(), err error) {
	k.mu.Lock()
	l := k.held[key]
	if l == nil {
		l = &keyedLock{token: make(chan struct{}, 1)}
		l.token <- struct{}{}
		k.held[key] = l
	}
	l.users++
	k.mu.Unlock()
	leave := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		if l.users--; l.users == 0 {
			delete(k.held, key)
		}
	}
	select {
	case <-l.token:
		return func() { l.token <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, fmt.Errorf("wait for another request about the same recording: %w", context.Cause(ctx))
	}
}
