package table

import (
	"encoding/binary"
	"math"
	"slices"
	"time"
)

// Instants gives the schemas with every time an instant: those of a decode whose parameters name a time zone. A schema
// without naive times is given as it is.
func Instants(schemas []*Schema) []*Schema {
	out := make([]*Schema, len(schemas))
	for i, s := range schemas {
		out[i] = s.Instants()
	}
	return out
}

// Instants gives the schema with every time an instant, s itself if nothing in it is naive.
func (s *Schema) Instants() *Schema {
	if !s.Naive() {
		return s
	}
	c := *s
	c.Columns = slices.Clone(s.Columns)
	for i := range c.Columns {
		c.Columns[i].Naive = false
	}
	return &c
}

// Naive reports whether some column holds times without a zone.
func (s *Schema) Naive() bool {
	return slices.ContainsFunc(s.Columns, func(c Column) bool { return c.Naive })
}

// Localizer makes instants of the naive times in batches, whose clock ran in one time zone. A Localizer serves one
// goroutine.
//
// A clock that is set back shows an hour twice: its times are taken for the first of the two, still on daylight time. A
// time that the clock left out is moved on by as much as the clock was: 02:30 becomes 03:30. Both mean the offset before
// the change. An instant beyond the range of the column's type is null, or the nearest value where a column has no nulls.
type Localizer struct {
	schema *Schema
	clocks []clock
}

// clock is a column of naive times. Recordings go forward in time, so it keeps the last stretch, and a row mostly costs
// two comparisons and a subtraction: a 130th of encoding a table (BenchmarkLocalize). Tables that are in no order find their
// stretch among the recent ones.
type clock struct {
	loc      *time.Location
	column   int
	unit     int64 // ticks per second
	nullable bool

	last   stretch
	recent [16]stretch // some years; the oldest is at turn
	turn   int
}

// stretch is a span of local times of equal offset, in ticks: those from from to before to are ahead of UTC by ahead,
// and their instants are in the range of the column's type.
type stretch struct{ from, to, ahead int64 }

func (s *stretch) has(local int64) bool { return local >= s.from && local < s.to }

// NewLocalizer returns the localizer of a schema's naive columns.
func NewLocalizer(s *Schema, loc *time.Location) *Localizer {
	l := &Localizer{schema: s.Instants()}
	for i := range s.Columns {
		c := &s.Columns[i]
		if c.Naive {
			l.clocks = append(l.clocks, clock{loc: loc, column: i, unit: pow10[timeDigits(c.Type)], nullable: c.Nullable})
		}
	}
	return l
}

// timeDigits is how many decimal digits of a second a type of times has.
func timeDigits(t Type) int {
	if t == TSns {
		return 9
	}
	return 6
}

// Schema is the schema of the batches that Apply gives.
func (l *Localizer) Schema() *Schema { return l.schema }

// Apply converts a batch in place: it must be the caller's own.
func (l *Localizer) Apply(b *Batch) {
	for i := range l.clocks {
		c := &l.clocks[i]
		c.convert(&b.Columns[c.column], b.Rows)
	}
}

func (c *clock) convert(v *Vector, rows int) {
	for i := range rows {
		cell := v.Data[8*i : 8*i+8]
		local := int64(binary.LittleEndian.Uint64(cell))
		if !c.last.has(local) {
			if !v.Valid(i) {
				continue // what stands in a null is no time to look for
			}
			if !c.recall(local) {
				c.convertFar(v, i, rows)
				continue
			}
		}
		binary.LittleEndian.PutUint64(cell, uint64(local-c.last.ahead))
	}
}

// recall makes a recent stretch the last one, if one has the local time.
func (c *clock) recall(local int64) bool {
	for i := range c.recent {
		if c.recent[i].has(local) {
			c.last = c.recent[i]
			return true
		}
	}
	return false
}

// convertFar converts a row that is in no stretch known, and makes its stretch the last one.
func (c *clock) convertFar(v *Vector, i, rows int) {
	local := v.Int(TSns, i)
	c.last = c.seek(local)
	c.recent[c.turn] = c.last
	c.turn = (c.turn + 1) % len(c.recent)
	ahead := c.last.ahead
	at := local - ahead
	if ahead != 0 && (at < local) != (ahead > 0) { // it has run over
		if c.nullable {
			v.clear(i, rows)
			return
		}
		at = math.MaxInt64
		if ahead > 0 {
			at = math.MinInt64
		}
	}
	putInt(v.Data, 8, i, at)
}

// clear makes row i a null.
func (v *Vector) clear(i, rows int) {
	if v.Validity == nil {
		v.Validity = slices.Repeat([]byte{0xff}, (rows+7)/8)
	}
	v.Validity[i>>3] &^= 1 << (i & 7)
}

const (
	// before is how far before a time its stretch is looked for. No offset and no change of one is longer than a day, so
	// times that go back by less stay in the stretch too.
	before = 32 * 24 * 3600
	day    = 24 * 3600
)

// seek finds the stretch of a local time. The offset of an instant is known and not that of a local time, so it goes
// through the offsets from an instant that is surely earlier.
func (c *clock) seek(local int64) stretch {
	sec := local / c.unit
	if local%c.unit < 0 {
		sec--
	}
	at := time.Unix(sec-before, 0).In(c.loc)
	from, to := at.Unix()+2*day, int64(math.MaxInt64)
	_, ahead := at.Zone()
	for {
		next, ok := offsetEnd(at)
		if !ok {
			break
		}
		_, later := next.Zone()
		// The offset before a change holds through the hour that comes twice, and through the one left out.
		to = next.Unix() + int64(max(ahead, later))
		if sec < to {
			break
		}
		at, ahead, from, to = next, later, to, math.MaxInt64
	}
	ticks := int64(ahead) * c.unit
	return stretch{
		from: max(c.ticks(from), math.MinInt64+max(ticks, 0)), to: min(c.ticks(to), math.MaxInt64+min(ticks, 0)), ahead: ticks,
	}
}

// ticks gives a second in the column's unit, or the nearest value.
func (c *clock) ticks(sec int64) int64 {
	return max(min(sec, math.MaxInt64/c.unit), math.MinInt64/c.unit) * c.unit
}

// offsetEnd gives when the offset in effect at a time ends, at the latest; ok is false where it never does. Package time
// ends a year that lies beyond its tables after 365 days, also if it is a leap year: what it says is then not after at,
// and the year's true end is taken, since it begins anew with each year.
func offsetEnd(at time.Time) (end time.Time, ok bool) {
	_, end = at.ZoneBounds()
	if end.IsZero() {
		return end, false
	}
	if !end.After(at) {
		end = time.Date(at.UTC().Year()+1, time.January, 1, 0, 0, 0, 0, time.UTC).In(at.Location())
	}
	return end, true
}
