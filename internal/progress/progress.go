// Package progress is standard output and standard error of a command that works on many files, with a bar on the
// latter that says how far it is. It is apart because decoding here and sending to an appliance show the same thing.
//
// A Screen owns one goroutine, which draws, from Start to the function that Start gives. Its one mutex also orders the
// writes to the terminal: the bar gives way while anything else is printed, so it is held over those writes.
package progress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	redraw  = 200 * time.Millisecond // how often the bar is drawn
	longest = 40                     // characters of a bar
	least   = 8                      // a bar that is shorter says nothing
	erase   = "\r\x1b[K"
)

// Screen is what a command prints to. Without a terminal there is no bar, and the rest is as it was.
type Screen struct {
	out, err io.Writer
	width    int // of the terminal that err is; 0 = no bar
	now      func() time.Time

	mu       sync.Mutex // guards what follows, and the order of writes to a terminal
	files    int
	finished int
	total    int64             // bytes of all files, as far as they are known
	done     int64             // bytes of files that are done with
	fresh    int64             // of them those that were moved, and not there before
	running  map[int]fileState // files under way, by index
	share    float64           // what At said; negative = the bytes say it
	text     string            // what is waited for after the bytes, "" = nothing
	started  time.Time
	drawn    bool
}

type fileState struct {
	size  int64 // -1 = not known
	moved int64
}

// New returns a Screen. Width is that of the terminal that stderr is, 0 = it is none, or no bar is wanted.
func New(stdout, stderr io.Writer, width int) *Screen {
	return &Screen{out: stdout, err: stderr, width: width, now: time.Now, running: map[int]fileState{}, share: -1, started: time.Now()}
}

// Expect notes how many files and bytes more there are to come.
func (s *Screen) Expect(files int, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files += files
	s.total += bytes
}

// Start begins to draw. The function it gives ends that, takes the bar away, and may be called once.
func (s *Screen) Start() (stop func()) {
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
				s.draw()
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

// Began notes that a file is worked on, and its size, of which expected bytes were told to Expect; -1 = not known.
func (s *Screen) Began(index int, expected, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += max(size, 0) - max(expected, 0)
	s.running[index] = fileState{size: size}
}

// Moved notes how many bytes of a file that is worked on are over.
func (s *Screen) Moved(index int, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f, ok := s.running[index]
	if !ok {
		return // it is done with, and the network says so late
	}
	if f.size >= 0 {
		n = min(n, f.size)
	}
	f.moved = n
	s.running[index] = f
}

// Finish notes that a file is done with, however it ended. Of its bytes, before were there already; expected is as with
// Began, and counts for a file that was never begun.
func (s *Screen) Finish(index int, expected, before int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size := max(expected, 0)
	if f, ok := s.running[index]; ok {
		size = max(f.size, 0)
		delete(s.running, index)
	}
	s.done += size
	s.fresh += size - before
	s.finished++
}

// At sets how far it is where no bytes say it: so many files, and a share from 0 to 1.
func (s *Screen) At(finished int, share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finished, s.share = finished, share
}

// Say sets what the bar shows beside the figures.
func (s *Screen) Say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text = text
}

// Print writes to standard output.
func (s *Screen) Print(text string) error { return s.write(s.out, text) }

// Note writes to standard error.
func (s *Screen) Note(text string) error { return s.write(s.err, text) }

func (s *Screen) write(w io.Writer, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	return nil
}

// clear takes the bar away. The caller holds mu.
func (s *Screen) clear() {
	if s.drawn {
		_, _ = io.WriteString(s.err, erase) // what is lost is a bar
		s.drawn = false
	}
}

func (s *Screen) draw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = io.WriteString(s.err, erase+s.bar()) // as above
	s.drawn = true
}

// bar gives the bar's text: share, files, bytes, rate, time left. The caller holds mu.
func (s *Screen) bar() string {
	over, moved := s.done, s.fresh
	for _, f := range s.running {
		over += f.moved
		moved += f.moved
	}
	share := s.shareOf(over)
	text := fmt.Sprintf(" %3.0f %%  %d/%d", share*100, s.finished, s.files)
	if s.total > 0 || over > 0 {
		text += "  " + Size(over)
	}
	if sec := s.now().Sub(s.started).Seconds(); sec > 1 && moved > 0 && share < 1 {
		rate := float64(moved) / sec
		text += fmt.Sprintf("  %s/s", Size(int64(rate)))
		if left := s.total - over; left > 0 {
			text += fmt.Sprintf("  %s left", time.Duration(float64(left)/rate*float64(time.Second)).Round(time.Second))
		}
	}
	if s.text != "" {
		text += "  " + s.text
	}
	room := min(s.width-1-utf8.RuneCountInString(text)-2, longest)
	if room < least {
		return clip(strings.TrimSpace(text), s.width-1)
	}
	full := int(share * float64(room))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", room-full) + "]" + text
}

// shareOf gives how far it is, with so many bytes over. The caller holds mu.
func (s *Screen) shareOf(over int64) float64 {
	share := s.share
	switch {
	case share >= 0:
	case s.total > 0:
		share = float64(over) / float64(s.total)
	case s.files > 0: // they are all empty, or nobody knows their sizes
		share = float64(s.finished) / float64(s.files)
	}
	return min(max(share, 0), 1)
}

// clip cuts a text to n characters; the bar must never wrap, since only its own line is taken away.
func clip(s string, n int) string {
	if runes := []rune(s); len(runes) > max(n, 0) {
		return string(runes[:max(n, 0)])
	}
	return s
}

// Size gives a number of bytes for people.
func Size(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n), -1
	for v >= 999.95 && i < 5 {
		v /= 1000
		i++
	}
	return fmt.Sprintf("%.1f %cB", v, "kMGTPE"[i])
}

// Count gives a number with commas between its thousands.
func Count(n int64) string {
	s := strconv.FormatInt(n, 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
