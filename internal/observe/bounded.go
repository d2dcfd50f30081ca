package observe

import (
	"strings"
	"sync"
)

// bounded keeps a label from growing without end, whoever chooses its values: after max different ones it is other.
type bounded struct {
	max   int
	other string

	mu   sync.RWMutex // guards seen
	seen map[string]struct{}
}

// newBounded makes a bound. Those of first have their places whoever comes before.
func newBounded(most int, other string, first ...string) *bounded {
	b := &bounded{max: most, other: other, seen: map[string]struct{}{}}
	for _, v := range first {
		b.seen[v] = struct{}{}
	}
	return b
}

// label gives the label for a value. Prometheus takes no label that is not valid UTF-8.
func (b *bounded) label(value string) string {
	if value = strings.ToValidUTF8(value, "?"); value != "" && b.admit(value) {
		return value
	}
	return b.other
}

// admit reports whether a value has a place, which it gets if there is one left.
func (b *bounded) admit(value string) bool {
	b.mu.RLock()
	_, known := b.seen[value]
	b.mu.RUnlock()
	if known {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, known := b.seen[value]; !known {
		if len(b.seen) >= b.max {
			return false
		}
		b.seen[value] = struct{}{}
	}
	return true
}

// pairs bounds two labels that callers choose, by themselves and together: two hundred queues with two hundred types of
// jobs each would be forty thousand series. A pair too many counts as that of the first with other.
type pairs struct {
	first, second *bounded
	both          *bounded
}

func (p pairs) labels(a, b string) (first, second string) {
	first, second = p.first.label(a), p.second.label(b)
	if second != p.second.other && !p.both.admit(first+"\x00"+second) {
		second = p.second.other
	}
	return first, second
}
