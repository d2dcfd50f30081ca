package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
)

// services are the parts that run. Each has a goroutine of its own, which is joined when it is stopped; one that ends
// without being asked to ends the appliance.
type services struct {
	ended chan error // takes the first unasked end
	mu    sync.Mutex // guards list
	list  []*service // in the order they were started
}

type service struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error // set before done is closed
}

func newServices() *services { return &services{ended: make(chan error, 1)} }

// start runs a part until stop. Its context carries the values of ctx but not its end: the order of stopping is
// decided by stop.
func (s *services) start(ctx context.Context, name string, run func(context.Context) error) *service {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	sv := &service{name: name, cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.list = append(s.list, sv)
	s.mu.Unlock()
	go func() {
		defer close(sv.done)
		sv.err = run(ctx)
		if ctx.Err() != nil {
			return
		}
		err := sv.err
		if err == nil {
			err = errors.New("it ended by itself")
		}
		select {
		case s.ended <- fmt.Errorf("%s: %w", name, err):
		default: // another part's end is known already
		}
	}()
	return sv
}

// stop ends a part and waits for it.
func (sv *service) stop() error {
	sv.cancel()
	<-sv.done
	if sv.err != nil && !errors.Is(sv.err, context.Canceled) {
		return fmt.Errorf("%s: %w", sv.name, sv.err)
	}
	return nil
}

// stopAll ends what still runs, the last started first.
func (s *services) stopAll() error {
	s.mu.Lock()
	list := s.list
	s.mu.Unlock()
	var errs []error
	for _, l := range slices.Backward(list) {
		errs = append(errs, l.stop())
	}
	return errors.Join(errs...)
}
