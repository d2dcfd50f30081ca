package app

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestGlance: who asks gets what is seen now, or after a short while what was seen last; one look is under way at most.
func TestGlance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		hold := make(chan struct{})
		g := &glance[int]{}
		g.look = func() int {
			n := int(looks.Add(1))
			<-hold
			return n
		}
		began := time.Now()
		want := func(what string, seen int, known bool, took time.Duration) {
			t.Helper()
			got, ok := g.get()
			if got != seen || ok != known || time.Since(began) != took {
				t.Errorf("%s: %d %v after %v, want %d %v after %v", what, got, ok, time.Since(began), seen, known, took)
			}
			began = time.Now()
		}
		want("held up, nothing seen yet", 0, false, glanceWait)
		want("still held up", 0, false, glanceWait)
		if n := looks.Load(); n != 1 {
			t.Errorf("%d looks at once", n)
		}
		hold <- struct{}{}
		synctest.Wait()
		go func() { hold <- struct{}{} }()
		want("free", 2, true, 0)
		want("held up again", 2, true, glanceWait)
		close(hold)
		if err := g.close(); err != nil {
			t.Error(err)
		}
		want("free again", 4, true, 0)
	})
}
