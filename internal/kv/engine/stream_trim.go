package engine

// streamTrim is how far a stream is cut.
type streamTrim struct {
	by     string // maxlen, minid or ""
	length int64
	id     streamID
	approx bool  // whole blocks only
	limit  int64 // entries at most; 0 = all
}

// trim removes entries from the front and gives how many.
func (s *stream) trim(t *streamTrim) (removed int64) {
	for len(s.blocks) > 0 && t.by != "" {
		if t.by == "maxlen" && int64(s.n) <= t.length {
			break
		}
		b := s.blocks[0]
		if t.limit > 0 && removed+int64(b.live) > t.limit {
			break
		}
		if !s.whole(b, t) {
			if !t.approx {
				removed += s.trimBlock(b, t)
			}
			break
		}
		removed += int64(b.live)
		s.n -= b.live
		s.heap -= b.bytes()
		s.blocks[0] = nil
		s.blocks = s.blocks[1:]
	}
	if removed > 0 {
		s.edges()
	}
	return removed
}

// whole says whether all of the first block goes.
func (s *stream) whole(b *streamBlock, t *streamTrim) bool {
	if t.by == "maxlen" {
		return int64(s.n-b.live) >= t.length
	}
	if len(s.blocks) > 1 && !t.id.less(s.blocks[1].base) {
		return true
	}
	if !b.base.less(t.id) {
		return false
	}
	var e streamEntry
	last := b.base
	for at := 0; at < len(b.buf); {
		if at = b.read(at, &e); !e.dead {
			last = e.id
		}
	}
	return last.less(t.id)
}

func (s *stream) trimBlock(b *streamBlock, t *streamTrim) (removed int64) {
	var e streamEntry
	for at := 0; at < len(b.buf); {
		at = b.read(at, &e)
		if t.by == "maxlen" && int64(s.n) <= t.length || t.by == "minid" && !e.id.less(t.id) {
			break
		}
		if !e.dead {
			b.buf[e.at] |= entryDead
			b.live--
			b.dead++
			s.n--
			removed++
		}
	}
	return removed
}
