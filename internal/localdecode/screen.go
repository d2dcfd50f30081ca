package localdecode

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// redraw is how often the progress bar is drawn.
const redraw = 200 * time.Millisecond

// screen is standard output and standard error with a progress bar on the latter. The bar is taken away while
// something else is printed. Without a terminal there is no bar.
type screen struct {
	out, err io.Writer
	width    int // 0 = no bar

	mu       sync.Mutex // guards what follows, and the order of writes to a terminal
	files    int
	finished int
	total    int64         // bytes of all inputs, as far as they are known
	done     int64         // bytes of finished inputs
	running  map[int]int64 // bytes read of running inputs, by index
	sizes    map[int]int64 // their sizes
	started  time.Time
	drawn    bool
}

func newScreen(c *Config, inputs []input) *screen {
	s := &screen{
		out: c.Stdout, err: c.Stderr, width: c.Bar, files: len(inputs), started: time.Now(),
		running: map[int]int64{}, sizes: map[int]int64{},
	}
	for _, in := range inputs {
		s.total += max(in.size, 0)
	}
	return s
}

// start begins to draw. The function it gives ends that, takes the bar away, and may be called once.
func (s *screen) start() (stop func()) {
	if s.width == 0 {
		return func() {}
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(redraw)
		defer tick.Stop()
		for {
			select {
			case <-end:
				return
			case <-tick.C:
				s.mu.Lock()
				s.draw()
				s.mu.Unlock()
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		s.mu.Lock()
		defer s.mu.Unlock()
		s.clear()
	}
}

// began notes that an input is being decoded, and its true size.
func (s *screen) began(in input, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += size - max(in.size, 0)
	s.running[in.index], s.sizes[in.index] = 0, size
}

// progress notes how much of an input has been read.
func (s *screen) progress(in input, read int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if size, ok := s.sizes[in.index]; ok {
		s.running[in.index] = min(read, size)
	}
}

// finish notes that an input is done with.
func (s *screen) finish(in input) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, ok := s.sizes[in.index]
	if !ok {
		size = max(in.size, 0)
	}
	s.done += size
	delete(s.running, in.index)
	delete(s.sizes, in.index)
	s.finished++
}

// print writes to standard output.
func (s *screen) print(text string) error { return s.write(s.out, text) }

// note writes to standard error.
func (s *screen) note(text string) error { return s.write(s.err, text) }

func (s *screen) write(w io.Writer, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// clear takes the bar away. The caller holds mu.
func (s *screen) clear() {
	if s.drawn {
		_, _ = io.WriteString(s.err, "\r\x1b[K")
		s.drawn = false
	}
}

// draw draws the bar. The caller holds mu.
func (s *screen) draw() {
	read := s.done
	for _, n := range s.running {
		read += n
	}
	_, _ = io.WriteString(s.err, "\r\x1b[K"+s.bar(read, time.Since(s.started)))
	s.drawn = true
}

// bar gives the bar's text: files, share, rate.
func (s *screen) bar(read int64, since time.Duration) string {
	share := 0.0
	if s.total > 0 {
		share = min(float64(read)/float64(s.total), 1)
	}
	text := fmt.Sprintf(" %3.0f %%  %d/%d  %s", share*100, s.finished, s.files, size(read))
	if sec := since.Seconds(); sec > 1 && read > 0 {
		text += fmt.Sprintf("  %s/s", size(int64(float64(read)/sec)))
	}
	room := s.width - 1 - utf8.RuneCountInString(text) - 2
	if room < 8 {
		return strings.TrimSpace(text)
	}
	room = min(room, 40)
	full := int(share * float64(room))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + text
}

// size gives a number of bytes for people.
func size(n int64) string {
	const unit = 1000
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n), -1
	for v >= unit && i < 4 {
		v /= unit
		i++
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTP"[i])
}

// plural gives a count with its noun.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return thousands(n) + " " + noun
}

// thousands gives n with commas between its thousands.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// elapsed gives a duration with three digits at most.
func elapsed(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
