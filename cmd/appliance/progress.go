package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// barEvery is how often a progress bar is drawn.
const barEvery = 200 * time.Millisecond

// progress shows how far an upload of many files is: a bar on a terminal, and nothing elsewhere. The bar gives way
// while something is printed. It owns the goroutine that draws, from start to the function that start gives.
type progress struct {
	out, err io.Writer
	width    int // of the terminal that err is; 0 = no bar
	now      func() time.Time

	mu       sync.Mutex // guards what follows, and the order of writes to a terminal
	files    int
	finished int
	total    int64         // bytes of all files, as far as they are known
	done     int64         // bytes of files that are done with
	fresh    int64         // of them those that were sent, and not there already
	running  map[int]int64 // bytes of files under way, by index
	text     string        // what is waited for after the bytes, "" = nothing
	started  time.Time
	drawn    bool
}

func newProgress(std stdio, width int) *progress {
	return &progress{out: std.out, err: std.err, width: width, now: time.Now, running: map[int]int64{}, started: time.Now()}
}

// start begins to draw. The function it gives ends that, takes the bar away, and may be called once.
func (p *progress) start() (stop func()) {
	if p.width == 0 {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(barEvery)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				p.mu.Lock()
				_, _ = io.WriteString(p.err, "\r\x1b[K"+p.bar())
				p.drawn = true
				p.mu.Unlock()
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		p.mu.Lock()
		defer p.mu.Unlock()
		p.clear()
	}
}

// sent notes how many bytes of a file are over.
func (p *progress) sent(index int, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running[index] = n
}

// finish notes that a file of size bytes is done with, of which some were there before.
func (p *progress) finish(index int, size, before int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.running, index)
	p.done += size
	p.fresh += size - before
	p.finished++
}

// say sets what the bar shows beside the bytes.
func (p *progress) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
}

// print writes to standard output, note to standard error.
func (p *progress) print(text string) error { return p.write(p.out, text) }

func (p *progress) note(text string) error { return p.write(p.err, text) }

func (p *progress) write(w io.Writer, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// clear takes the bar away. The caller holds mu.
func (p *progress) clear() {
	if p.drawn {
		_, _ = io.WriteString(p.err, "\r\x1b[K")
		p.drawn = false
	}
}

// bar gives the bar's text: share, files, bytes, rate, time left. The caller holds mu.
func (p *progress) bar() string {
	over, moved := p.done, p.fresh
	for _, n := range p.running {
		over += n
		moved += n
	}
	share := 1.0
	if p.total > 0 {
		share = min(float64(over)/float64(p.total), 1)
	}
	text := fmt.Sprintf(" %3.0f %%  %d/%d  %s", share*100, p.finished, p.files, sizeText(over))
	if sec := p.now().Sub(p.started).Seconds(); sec > 1 && moved > 0 && share < 1 {
		rate := float64(moved) / sec
		left := time.Duration(float64(max(p.total-over, 0)) / rate * float64(time.Second))
		text += fmt.Sprintf("  %s/s  %s left", sizeText(int64(rate)), left.Round(time.Second))
	}
	if p.text != "" {
		text += "  " + p.text
	}
	room := min(p.width-1-utf8.RuneCountInString(text)-2, 40)
	if room < 8 {
		return clip(strings.TrimSpace(text), p.width-1)
	}
	full := int(share * float64(room))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + text
}
