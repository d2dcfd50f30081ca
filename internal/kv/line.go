package kv

// line are the connections whose turn comes, the next first. One is in it once.
type line struct {
	list []*socket
	head int
}

func (l *line) len() int { return len(l.list) - l.head }

// push has a connection wait for its turn, behind all that wait.
func (l *line) push(p *socket) {
	if p.queued {
		return
	}
	p.queued = true
	if l.head > len(l.list)/2 && len(l.list) == cap(l.list) { // before it grows
		n := copy(l.list, l.list[l.head:])
		clear(l.list[n:])
		l.list, l.head = l.list[:n], 0
	}
	l.list = append(l.list, p)
}

// pop takes the next one; nil if there is none.
func (l *line) pop() *socket {
	if l.head == len(l.list) {
		return nil
	}
	p := l.list[l.head]
	l.list[l.head] = nil
	if l.head++; l.head == len(l.list) {
		l.list, l.head = l.list[:0], 0
	}
	p.queued = false
	return p
}
