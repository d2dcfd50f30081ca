package runtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// mustMove is how long an attack has to take for a good file to end meanwhile: ten times and more of what one takes, and
// less than a guest that loops is given.
func mustMove() time.Duration {
	if raceEnabled {
		return 2 * time.Second // a worker that has to be started takes one on a busy machine
	}
	return 300 * time.Millisecond
}

// stream decodes one good file after the other, in workers of their own plugin, while a test attacks.
type stream struct {
	r     *rig
	ended atomic.Int64
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

// stream begins; the rig has the plugin "lines". The caller ends it before the test ends.
func (r *rig) stream() *stream {
	ctx, stop := context.WithCancel(r.t.Context())
	s := &stream{r: r, stop: stop}
	j := r.request("lines", make([]byte, 3*4096))
	r.decode(j) // it may have to be compiled first
	s.wg.Go(func() {
		for ctx.Err() == nil {
			res, err := r.pool.Decode(ctx, j.Request)
			if ctx.Err() != nil {
				return
			}
			if err != nil || res.Status != Done || res.Rows != 3 || len(j.file("rows")) != len(`{"value":1}`+"\n")*3 {
				r.t.Errorf("a good file beside the attacks gives %+v %v: %s", res, err, j.file("rows"))
				return
			}
			s.ended.Add(1)
		}
	})
	return s
}

// during runs an attack and fails the test if no good file has ended meanwhile.
func (s *stream) during(name string, attack func()) {
	before, began := s.ended.Load(), time.Now()
	attack()
	if took := time.Since(began); took > mustMove() && s.ended.Load() == before {
		s.r.t.Errorf("%s: no good file was decoded in the %v that it took", name, took)
	}
}

// end stops the stream; it must have decoded some files.
func (s *stream) end() {
	s.stop()
	s.wg.Wait()
	if n := s.ended.Load(); n < 10 {
		s.r.t.Errorf("%d good files were decoded beside the attacks", n)
	}
	s.r.t.Logf("%d good files were decoded beside the attacks", s.ended.Load())
}
