package engine

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestACommandTakesWhatItTakes lets time go by between two commands: the second has not taken it, whichever way the lock was
// taken.
func TestACommandTakesWhatItTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took []time.Duration
		e := New(Config{Hooks: Hooks{Ran: func(_ *Session, _ *Command, _ [][]byte, d time.Duration) { took = append(took, d) }}})
		s := e.NewSession(nil)
		look := func() {
			e.Do(s, [][]byte{[]byte("EXISTS"), []byte("k")}, Discard)
			e.Unlock()
			time.Sleep(20 * time.Millisecond)
		}
		e.Lock()
		look()
		e.Lock()
		look()
		if !e.TryLock() {
			t.Fatal("somebody has the lock")
		}
		look()
		for i, d := range took {
			if d > time.Millisecond {
				t.Errorf("command %d took %s", i, d)
			}
		}
		if len(took) != 3 {
			t.Errorf("%d commands ran", len(took))
		}
	})
}
