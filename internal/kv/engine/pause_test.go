package engine

import (
	"testing"
	"time"
)

// TestNothingEndsDuringAPause holds the keyspace still: a key whose time is over is not there, and is removed when the
// pause is over, which Run does in time.
func TestNothingEndsDuringAPause(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	e := New(Config{Clock: func() time.Time { return now }})
	s := &Session{Internal: true}
	call := func(args ...string) {
		e.Lock()
		defer e.Unlock()
		words := make([][]byte, len(args))
		for i, a := range args {
			words[i] = []byte(a)
		}
		e.Do(s, words, Discard)
	}
	call("SET", "a", "1", "PX", "10")
	call("SET", "b", "1", "PX", "10")
	e.Lock()
	e.Pause(e.Now()+5000, false)
	e.Unlock()
	now = now.Add(time.Second)
	if rest := e.Cycle(); rest > 4*time.Second {
		t.Errorf("Run rests for %v", rest)
	}
	call("GET", "a")
	if keys, _ := e.Size(0); keys != 2 || e.Stats().Expired != 0 {
		t.Errorf("%d keys are left, %d have ended", keys, e.Stats().Expired)
	}
	now = now.Add(4 * time.Second)
	e.Cycle()
	if keys, _ := e.Size(0); keys != 0 || e.Stats().Expired != 2 {
		t.Errorf("after the pause %d keys are left, %d have ended", keys, e.Stats().Expired)
	}
}
