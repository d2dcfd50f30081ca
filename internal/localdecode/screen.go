package localdecode

import (
	"time"

	"github.com/wayside-edge/wayside/internal/progress"
)

// screen is where the results of inputs are printed, below them a bar.
func (c *Config) screen(inputs []input) *progress.Screen {
	s := progress.New(c.Stdout, c.Stderr, c.Bar)
	var total int64
	for i := range inputs {
		total += max(inputs[i].size, 0)
	}
	s.Expect(len(inputs), total)
	return s
}

// plural gives a count with its noun.
func plural(n int64, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return progress.Count(n) + " " + noun
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
