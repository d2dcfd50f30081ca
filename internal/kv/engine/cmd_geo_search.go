package engine

import (
	"cmp"
	"slices"
)

// geoQuery is what GEOSEARCH and GEORADIUS are asked for.
type geoQuery struct {
	z                  *zset
	shape              geoShape
	search             bool // GEOSEARCH and GEOSEARCHSTORE, which name what they search
	readOnly           bool // no STORE
	dist, hash, coord  bool
	member, place      bool // from where was said
	circle             bool
	any, asc, desc     bool
	count              int64
	store              []byte
	storeDist, storing bool
}

// geoFound is a member that was found.
type geoFound struct {
	zEntry
	lon, lat, distance float64
}

func georadiusCmd(c *Ctx) {
	q := geoQuery{readOnly: c.Cmd.Flags&Write == 0}
	var ok bool
	if q.z, ok = readObject[*zset](c, c.Args[1]); !ok {
		return
	}
	at := 5
	switch {
	case len(c.Cmd.Name) < len("georadiusbymember"): // georadius and georadius_ro
		at = 6
		if q.shape.lon, q.shape.lat, ok = c.place(2); !ok {
			return
		}
		ok = q.radius(c, 4)
	case q.z != nil:
		if q.shape.lon, q.shape.lat, ok = q.z.place(c.Args[2]); !ok {
			c.Fail(errGeoMember)
			return
		}
		ok = q.radius(c, 3)
	}
	if ok && q.options(c, at) {
		q.run(c)
	}
}

func geosearchCmd(c *Ctx) {
	q := geoQuery{search: true, readOnly: true, storing: c.Cmd.Name == "geosearchstore"}
	at := 2
	if q.storing {
		q.store, at = c.Args[1], 3
	}
	var ok bool
	if q.z, ok = readObject[*zset](c, c.Args[at-1]); ok && q.options(c, at) {
		q.run(c)
	}
}

// radius parses a length and its unit; false after an error.
func (q *geoQuery) radius(c *Ctx, i int) bool {
	return geoLength(c, i, "ERR need numeric radius", &q.shape.radius) &&
		geoPositive(c, q.shape.radius, "ERR radius cannot be negative") && q.unit(c, i+1)
}

func (q *geoQuery) boxSize(c *Ctx, i int) bool {
	const negative = "ERR height or width cannot be negative"
	return geoLength(c, i, "ERR need numeric width", &q.shape.width) &&
		geoLength(c, i+1, "ERR need numeric height", &q.shape.height) &&
		geoPositive(c, q.shape.width, negative) && geoPositive(c, q.shape.height, negative) && q.unit(c, i+2)
}

func geoLength(c *Ctx, i int, refusal string, to *float64) bool {
	f, ok := parseFloat(c.Args[i])
	if !ok {
		c.Fail(refusal)
	}
	*to = f
	return ok
}

func geoPositive(c *Ctx, f float64, refusal string) bool {
	if f < 0 {
		c.Fail(refusal)
	}
	return f >= 0
}

func (q *geoQuery) unit(c *Ctx, i int) (ok bool) {
	if q.shape.unit, ok = geoUnit(c.Args[i]); !ok {
		c.Fail(errGeoUnit)
	}
	return ok
}

// options parses the words behind what is fixed; false after an error.
func (q *geoQuery) options(c *Ctx, at int) bool {
	for at < len(c.Args) {
		n := q.flag(c, at)
		if n == 0 {
			n = q.valued(c, at, len(c.Args)-at-1)
		}
		if n == 0 && q.search {
			n = q.where(c, at, len(c.Args)-at-1)
		}
		if n == 0 {
			c.Fail(errSyntax)
		}
		if c.failed {
			return false
		}
		at += n
	}
	if refusal := q.check(c); refusal != "" {
		c.Fail(refusal)
		return false
	}
	return true
}

// flag takes a word that nothing follows: how many arguments that was.
func (q *geoQuery) flag(c *Ctx, i int) int {
	switch {
	case c.Is(i, "withdist"):
		q.dist = true
	case c.Is(i, "withhash"):
		q.hash = true
	case c.Is(i, "withcoord"):
		q.coord = true
	case c.Is(i, "any"):
		q.any = true
	case c.Is(i, "asc"):
		q.asc, q.desc = true, false
	case c.Is(i, "desc"):
		q.asc, q.desc = false, true
	case q.storing && c.Is(i, "storedist"):
		q.storeDist = true
	default:
		return 0
	}
	return 1
}

// valued takes a word and its value.
func (q *geoQuery) valued(c *Ctx, i, more int) int {
	switch {
	case more < 1:
		return 0
	case c.Is(i, "count"):
		n, ok := c.Int(i + 1)
		if ok && n <= 0 {
			c.Fail("ERR COUNT must be > 0")
		}
		q.count = n
	case !q.readOnly && (c.Is(i, "store") || c.Is(i, "storedist")):
		q.store, q.storeDist = c.Args[i+1], c.Is(i, "storedist")
	default:
		return 0
	}
	return 2
}

// where takes one of the words that say where GEOSEARCH searches.
func (q *geoQuery) where(c *Ctx, i, more int) int {
	var ok bool
	switch {
	case more >= 1 && !q.place && c.Is(i, "frommember"):
		q.member = true
		if q.z != nil {
			if q.shape.lon, q.shape.lat, ok = q.z.place(c.Args[i+1]); !ok {
				c.Fail(errGeoMember)
			}
		}
		return 2
	case more >= 2 && !q.member && c.Is(i, "fromlonlat"):
		q.place = true
		q.shape.lon, q.shape.lat, _ = c.place(i + 1)
		return 3
	case more >= 2 && !q.shape.box && c.Is(i, "byradius"):
		q.circle = q.radius(c, i+1)
		return 3
	case more >= 3 && !q.circle && c.Is(i, "bybox"):
		q.shape.box = q.boxSize(c, i+1)
		return 4
	}
	return 0
}

// check says what does not go together; "" if all does.
func (q *geoQuery) check(c *Ctx) string {
	switch {
	case q.store != nil && (q.dist || q.hash || q.coord):
		who := "STORE option in GEORADIUS"
		if q.storing {
			who = "GEOSEARCHSTORE"
		}
		return "ERR " + who + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
	case q.search && !q.member && !q.place:
		return "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + string(c.Args[0])
	case q.search && !q.circle && !q.shape.box:
		return "ERR exactly one of BYRADIUS and BYBOX can be specified for " + string(c.Args[0])
	case q.any && q.count == 0:
		return "ERR the ANY argument requires COUNT argument"
	}
	return ""
}

func (q *geoQuery) run(c *Ctx) {
	var found []geoFound
	if q.z != nil {
		found = q.find()
		q.order(found)
	}
	if q.count > 0 && q.count < int64(len(found)) {
		found = found[:q.count]
	}
	if q.store == nil {
		q.answer(c, found)
		return
	}
	list := make([]zEntry, len(found))
	for i, f := range found {
		if list[i] = f.zEntry; q.storeDist {
			list[i].score = f.distance / q.shape.unit
		}
	}
	event := "georadiusstore"
	if q.search {
		event = "geosearchstore"
	}
	c.storeZSet(q.store, list, event)
}

// find gives the members within the shape, cell by cell; as many as are asked for where any will do.
func (q *geoQuery) find() (found []geoFound) {
	enough := func() bool { return q.any && int64(len(found)) >= q.count }
	for _, cell := range q.shape.cells() {
		from, to := cell.scores()
		first, last := q.z.below(&zBound{score: from}, false), q.z.below(&zBound{score: to}, false)
		q.z.walk(first, max(last-first, 0), false, func(member string, score float64) {
			if enough() {
				return
			}
			lon, lat := geoPlace(score)
			if d, ok := q.shape.holds(lon, lat); ok {
				found = append(found, geoFound{zEntry{member, score}, lon, lat, d})
			}
		})
		if enough() {
			break
		}
	}
	return found
}

// order sorts by distance. A count without an order is of the nearest.
func (q *geoQuery) order(found []geoFound) {
	switch {
	case q.desc:
		slices.SortStableFunc(found, func(a, b geoFound) int { return cmp.Compare(b.distance, a.distance) })
	case q.asc, q.count > 0 && !q.any:
		slices.SortStableFunc(found, func(a, b geoFound) int { return cmp.Compare(a.distance, b.distance) })
	}
}

func (q *geoQuery) answer(c *Ctx, found []geoFound) {
	extra := 0
	for _, is := range [...]bool{q.dist, q.hash, q.coord} {
		if is {
			extra++
		}
	}
	c.Out.Array(len(found))
	for _, f := range found {
		if extra > 0 {
			c.Out.Array(1 + extra)
		}
		c.Out.BulkString(f.member)
		if q.dist {
			c.answerDistance(f.distance / q.shape.unit)
		}
		if q.hash {
			c.Out.Int(int64(f.score))
		}
		if q.coord {
			c.Out.Array(2)
			c.answerCoordinate(f.lon)
			c.answerCoordinate(f.lat)
		}
	}
}
