package cache

import (
	"context"
	"fmt"
	"sync"
)

// flights are the keys that somebody is just making a value for.
type flights struct {
	mu   sync.Mutex               // guards open; not held while waiting
	open map[string]chan struct{} // closed when the flight has landed
}

// Join makes sure that one caller at a time makes the value of a key. It gives the function that ends his turn to the one
// whose turn it is, which he calls once whatever came of it. To one who comes meanwhile it gives nil when that turn
// has ended: the value may be there now; if it is not, he joins again. It works on keys alone, also while the cache is
// off or its server is away.
func (c *Cache) Join(ctx context.Context, key string) (land func(), err error) {
	f := &c.flights
	f.mu.Lock()
	landed, flying := f.open[key]
	if !flying {
		landed = make(chan struct{})
		f.open[key] = landed
	}
	f.mu.Unlock()
	if !flying {
		return func() {
			f.mu.Lock()
			delete(f.open, key)
			f.mu.Unlock()
			close(landed)
		}, nil
	}
	select {
	case <-landed:
		return nil, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for who makes the same value: %w", context.Cause(ctx))
	}
}
