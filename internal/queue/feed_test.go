package queue

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// changing is a queue whose changes the test makes.
type changing struct {
	mu    sync.Mutex
	told  chan struct{}
	ids   []ID
	lost  bool
	lines []Line
	fail  error
}

func (c *changing) Changed() <-chan struct{} { return c.told }

func (c *changing) TakeChanged() ([]ID, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ids, lost := c.ids, c.lost
	c.ids, c.lost = nil, false
	return ids, lost
}

func (c *changing) Lines(context.Context) ([]Line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.lines), c.fail
}

func (c *changing) change(do func()) {
	c.mu.Lock()
	do()
	c.mu.Unlock()
	select {
	case c.told <- struct{}{}:
	default:
	}
}

// published keeps what was published, with when.
type published struct {
	mu    sync.Mutex
	began time.Time
	all   []string
}

func (p *published) add(format string, args ...any) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, fmt.Sprintf("%v ", time.Since(p.began).Truncate(time.Millisecond))+fmt.Sprintf(format, args...))
	return 1
}

func (p *published) Publish(topic, key string, _ any) uint64 { return p.add("%s %s", topic, key) }
func (p *published) Lose(topic string) uint64                { return p.add("lose %s", topic) }
func (p *published) Gone(topic, key string) uint64           { return p.add("gone %s %s", topic, key) }

func (p *published) want(t *testing.T, want ...string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.all, want) {
		t.Errorf("published %q, want %q", p.all, want)
	}
	p.all = nil
}

func TestFeedIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &changing{told: make(chan struct{}, 1), ids: []ID{"old"}, lines: []Line{{Counts: Counts{Queue: "q"}}}}
		p := &published{began: time.Now()}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- NewFeed(c, p, nil).Run(ctx) }()
		synctest.Wait()
		p.want(t) // what was there at the start is no change
		// The first change is told of at once, those in the moment after it together.
		c.change(func() { c.ids = []ID{"a"} })
		synctest.Wait()
		for i := range 100 {
			time.Sleep(2 * time.Millisecond)
			c.change(func() {
				c.ids, c.lines = []ID{"b"}, []Line{{Counts: Counts{Queue: "q", Counts: map[Status]int64{Ready: int64(i)}}}}
			})
		}
		time.Sleep(time.Second)
		p.want(t, "0s job a", "250ms job b", "250ms queue q")
		// More than anybody reads: said at most once a second, and after the last change once more.
		p.began = time.Now()
		for range 15 {
			c.change(func() { c.lost = true })
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		p.want(t, "0s lose job", "1s lose job", "2s lose job")
		p.began = time.Now()
		c.change(func() {
			for i := range feedJobs + 1 {
				c.ids = append(c.ids, ID(fmt.Sprint(i)))
			}
		})
		time.Sleep(time.Second)
		p.want(t, "0s lose job")
		// Settings, a new queue, one that is gone, and one that cannot be looked at.
		p.began = time.Now()
		c.change(func() {
			c.lines = []Line{{Counts: Counts{Queue: "q"}, Settings: Settings{Paused: true}}, {Counts: Counts{Queue: "r"}}}
		})
		time.Sleep(time.Second)
		p.want(t, "0s queue q", "0s queue r")
		p.began = time.Now()
		c.change(func() { c.lines = c.lines[:1] })
		time.Sleep(time.Second)
		c.change(func() { c.fail = errors.New("damaged") })
		time.Sleep(time.Second)
		p.want(t, "0s gone queue r", "1s lose queue")
		// Nothing happens: nothing is done.
		time.Sleep(time.Hour)
		p.want(t)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
