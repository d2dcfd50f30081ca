package worker

import (
	"math/rand/v2"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// shortReads makes reads shorter than the guest asks for. The contract lets a read give any number of bytes but 0, and
// a decoder that relies on more is wrong without showing it: this is how the author's tests find it.
type shortReads struct {
	most   int
	random *rand.PCG // nil = always most
}

func newShortReads(r wire.Reads) shortReads {
	s := shortReads{most: r.Most}
	if r.Most > 0 && r.Seed != 0 {
		s.random = rand.NewPCG(r.Seed, 0)
	}
	return s
}

// cut gives the part of b that the next read may fill.
func (s *shortReads) cut(b []byte) []byte {
	if s.most <= 0 || len(b) == 0 {
		return b
	}
	n := s.most
	if s.random != nil {
		n = 1 + int(s.random.Uint64()%uint64(s.most))
	}
	return b[:min(n, len(b))]
}
