package engine

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// scored is a value whose members have scores: what ZUNION and its kin take. Members of sets have a score of 1.
type scored interface {
	len() int
	scoreOf(member []byte) (score float64, ok bool)
	each(yield func(member string, score float64) bool)
}

// setScores is a set as ZUNION takes it.
type setScores struct{ s *set }

func (s setScores) len() int { return s.s.len() }

func (s setScores) scoreOf(member []byte) (score float64, ok bool) { return 1, s.s.has(member) }

func (s setScores) each(yield func(member string, score float64) bool) {
	for b := range s.s.each {
		if !yield(string(b), 1) {
			return
		}
	}
}

// scoredOf is a value as ZUNION takes it; false of a kind that it does not.
func scoredOf(obj object) (scored, bool) {
	switch obj := obj.(type) {
	case *zset:
		return obj, true
	case *set:
		return setScores{obj}, true
	}
	return nil, false
}

// zInput is one of the keys that are put together.
type zInput struct {
	obj    scored // nil = no key
	weight float64
}

func (in *zInput) len() int {
	if in.obj == nil {
		return 0
	}
	return in.obj.len()
}

func (in *zInput) each(yield func(member string, score float64) bool) {
	if in.obj != nil {
		in.obj.each(yield)
	}
}

// weighed is a score times the weight; what is no number is 0.
func (in *zInput) weighed(score float64) float64 {
	if score *= in.weight; math.IsNaN(score) {
		return 0
	}
	return score
}

// zAggregate puts two scores of one member together.
type zAggregate uint8

const (
	zSum zAggregate = iota
	zMin
	zMax
)

// join keeps x where y is no number, except that such a sum is 0.
func (a zAggregate) join(x, y float64) float64 {
	switch {
	case a == zMin && y < x, a == zMax && y > x:
		return y
	case a == zMin, a == zMax:
		return x
	}
	if x += y; math.IsNaN(x) {
		return 0
	}
	return x
}

// zAlgebra is what ZUNION and its kin are asked for.
type zAlgebra struct {
	op     string // union, inter or diff
	store  bool
	card   bool // only how many
	scores bool
	limit  int64 // of card; 0 = none
	join   zAggregate
	in     []zInput
}

func zalgebraCmd(c *Ctx) {
	var a zAlgebra
	if !a.parse(c) {
		return
	}
	if a.card {
		c.Out.Int(a.count())
		return
	}
	list := a.compute()
	if a.store {
		c.storeZSet(c.Args[1], list, c.Cmd.Name)
		return
	}
	sortEntries(list)
	c.zArray(len(list), a.scores)
	for _, n := range list {
		c.zEntry(n.member, n.score, a.scores)
	}
}

// parse takes the keys and the options; false after an error.
func (a *zAlgebra) parse(c *Ctx) bool {
	name := strings.TrimPrefix(c.Cmd.Name, "z")
	name, a.store = strings.CutSuffix(name, "store")
	a.op, a.card = strings.CutSuffix(name, "card")
	at := 1
	if a.store {
		at = 2
	}
	n, ok := c.Int(at)
	switch {
	case !ok:
		return false
	case n < 1:
		c.Fail(fmt.Sprintf("ERR at least 1 input key is needed for '%s' command", c.Cmd.FullName()))
		return false
	case n > int64(len(c.Args)-at-1):
		c.Fail(errSyntax)
		return false
	}
	for _, key := range c.Args[at+1 : at+1+int(n)] {
		in := zInput{weight: 1}
		if it := c.read(key); it != nil {
			if in.obj, ok = scoredOf(it.val.obj); !ok {
				c.Fail(errWrongType)
				return false
			}
		}
		a.in = append(a.in, in)
	}
	return a.options(c, at+1+int(n))
}

func (a *zAlgebra) options(c *Ctx, at int) bool {
	for at < len(c.Args) {
		left := len(c.Args) - at
		switch {
		case a.op != "diff" && !a.card && left > len(a.in) && c.Is(at, "weights"):
			for i := range a.in {
				f, ok := parseFloat(c.Args[at+1+i])
				if !ok {
					c.Fail("ERR weight value is not a float")
					return false
				}
				a.in[i].weight = f
			}
			at += 1 + len(a.in)
		case a.op != "diff" && !a.card && left >= 2 && c.Is(at, "aggregate") && a.aggregate(c, at+1):
			at += 2
		case !a.store && !a.card && c.Is(at, "withscores"):
			a.scores = true
			at++
		case a.card && left >= 2 && c.Is(at, "limit"):
			n, ok := parseInt(c.Args[at+1])
			if !ok || n < 0 {
				c.Fail("ERR LIMIT can't be negative")
				return false
			}
			a.limit = n
			at += 2
		default:
			c.Fail(errSyntax)
			return false
		}
	}
	return true
}

func (a *zAlgebra) aggregate(c *Ctx, i int) bool {
	switch {
	case c.Is(i, "sum"):
		a.join = zSum
	case c.Is(i, "min"):
		a.join = zMin
	case c.Is(i, "max"):
		a.join = zMax
	default:
		return false
	}
	return true
}

func (a *zAlgebra) compute() []zEntry {
	switch a.op {
	case "diff":
		return a.diff()
	case "inter":
		return a.inter()
	}
	return a.union()
}

// bySize puts the inputs in the order of their sizes.
func (a *zAlgebra) bySize() {
	slices.SortStableFunc(a.in, func(x, y zInput) int { return x.len() - y.len() })
}

func (a *zAlgebra) union() []zEntry {
	a.bySize()
	at := make(map[string]int, a.in[len(a.in)-1].len())
	var list []zEntry
	for i := range a.in {
		in := &a.in[i]
		for member, score := range in.each {
			score = in.weighed(score)
			if k, ok := at[member]; ok {
				list[k].score = a.join.join(list[k].score, score)
				continue
			}
			at[member] = len(list)
			list = append(list, zEntry{member, score})
		}
	}
	return list
}

// inter takes the members of the smallest input and looks for each in the others.
func (a *zAlgebra) inter() []zEntry {
	a.bySize()
	var list []zEntry
	a.common(func(member string, score float64) bool {
		list = append(list, zEntry{member, score})
		return true
	})
	return list
}

// common visits the members that all inputs have, until visit has enough.
func (a *zAlgebra) common(visit func(member string, score float64) bool) {
	first := &a.in[0]
next:
	for member, score := range first.each {
		score = first.weighed(score)
		for i := range a.in[1:] {
			in := &a.in[i+1]
			other, ok := in.obj.scoreOf([]byte(member))
			if !ok {
				continue next
			}
			score = a.join.join(score, other*in.weight)
		}
		if !visit(member, score) {
			return
		}
	}
}

func (a *zAlgebra) count() (n int64) {
	a.bySize()
	a.common(func(string, float64) bool {
		n++
		return a.limit == 0 || n < a.limit
	})
	return n
}

// diff takes from the first input what the others have: it looks for each of its members in them, or takes each of theirs
// away, whichever is less work.
func (a *zAlgebra) diff() []zEntry {
	first, rest := &a.in[0], a.in[1:]
	all := 0
	for i := range a.in {
		all += a.in[i].len()
	}
	var list []zEntry
	if first.len()*len(a.in)/2 <= all {
		slices.SortStableFunc(rest, func(x, y zInput) int { return y.len() - x.len() }) // the largest is the likeliest to have it
		for member, score := range first.each {
			if !slices.ContainsFunc(rest, func(in zInput) bool { return in.has(member) }) {
				list = append(list, zEntry{member, score})
			}
		}
		return list
	}
	left := maps.Collect(first.each)
	for i := range rest {
		for member := range rest[i].each {
			delete(left, member)
		}
	}
	for member, score := range left {
		list = append(list, zEntry{member, score})
	}
	return list
}

func (in *zInput) has(member string) bool {
	if in.obj == nil {
		return false
	}
	_, ok := in.obj.scoreOf([]byte(member))
	return ok
}
