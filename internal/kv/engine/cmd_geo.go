package engine

import (
	"fmt"
	"math"
	"strings"
)

const (
	errGeoUnit   = "ERR unsupported unit provided. please use M, KM, FT, MI"
	errGeoMember = "ERR could not decode requested zset member"
)

func geoCommands() []*Command {
	return []*Command{
		{Name: "geoadd", Arity: -5, Flags: Write | DenyOOM, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.0", Complexity: "O(log(N))", Summary: "Puts members at longitudes and latitudes.", Run: geoaddCmd, Categories: []Category{"geo"}},
		{Name: "geodist", Arity: -4, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.0", Complexity: "O(log(N))", Summary: "Answers how far two members are from each other.", Run: geodistCmd, Categories: []Category{"geo"}},
		{Name: "geohash", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.0", Complexity: "O(log(N))", Summary: "Answers where members are as standard geohash texts.", Run: geohashCmd, Categories: []Category{"geo"}},
		{Name: "geopos", Arity: -2, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.0", Complexity: "O(N)", Summary: "Answers the longitudes and latitudes of members.", Run: geoposCmd, Categories: []Category{"geo"}},
		{Name: "georadius", Arity: -6, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: geoKeys, Group: "geo", Since: "3.2.0", Complexity: "O(N+log(M))", Summary: "Answers or stores the members within a distance of a point.", Run: georadiusCmd, Categories: []Category{"geo"}},
		{Name: "georadiusbymember", Arity: -5, Flags: Write | DenyOOM | MovableKeys, Keys: Keys{1, 1, 1}, Find: geoKeys, Group: "geo", Since: "3.2.0", Complexity: "O(N+log(M))", Summary: "Answers or stores the members within a distance of another member.", Run: georadiusCmd, Categories: []Category{"geo"}},
		{Name: "georadiusbymember_ro", Arity: -5, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.10", Complexity: "O(N+log(M))", Summary: "Answers the members within a distance of another member.", Run: georadiusCmd, Categories: []Category{"geo"}},
		{Name: "georadius_ro", Arity: -6, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "3.2.10", Complexity: "O(N+log(M))", Summary: "Answers the members within a distance of a point.", Run: georadiusCmd, Categories: []Category{"geo"}},
		{Name: "geosearch", Arity: -7, Flags: ReadOnly, Keys: Keys{1, 1, 1}, Group: "geo", Since: "6.2.0", Complexity: "O(N+log(M))", Summary: "Answers the members within a circle or a box.", Run: geosearchCmd, Categories: []Category{"geo"}},
		{Name: "geosearchstore", Arity: -8, Flags: Write | DenyOOM, Keys: Keys{1, 2, 1}, Group: "geo", Since: "6.2.0", Complexity: "O(N+log(M))", Summary: "Stores the members within a circle or a box.", Run: geosearchCmd, Categories: []Category{"geo"}},
	}
}

// geoKeys finds the keys of GEORADIUS: its own and that of STORE or STOREDIST, the last of which counts.
func geoKeys(args [][]byte) []int {
	from := 6
	if len(args[0]) == len("georadiusbymember") {
		from = 5
	}
	store := 0
	for i := from; i+1 < len(args); i++ {
		if word := strings.ToLower(string(args[i])); word == "store" || word == "storedist" {
			store = i + 1
			i++
		}
	}
	if store == 0 {
		return []int{1}
	}
	return []int{1, store}
}

// place parses a longitude and a latitude; false after an error.
func (c *Ctx) place(i int) (lon, lat float64, ok bool) {
	if lon, ok = c.Float(i); !ok {
		return 0, 0, false
	}
	if lat, ok = c.Float(i + 1); !ok {
		return 0, 0, false
	}
	if math.Abs(lon) > geoLonMax || math.Abs(lat) > geoLatMax {
		c.Fail(fmt.Sprintf("ERR invalid longitude,latitude pair %s,%s", fixed6(lon), fixed6(lat)))
		return 0, 0, false
	}
	return lon, lat, true
}

// fixed6 is C's %f.
func fixed6(f float64) string {
	return strings.TrimPrefix(strings.ToLower(fmt.Sprintf("%f", f)), "+")
}

func geoaddCmd(c *Ctx) {
	var o zaddOptions
	at := 2
words:
	for ; at < len(c.Args); at++ {
		switch {
		case c.Is(at, "nx"):
			o.nx = true
		case c.Is(at, "xx"):
			o.xx = true
		case c.Is(at, "ch"):
			o.ch = true
		default:
			break words
		}
	}
	if n := len(c.Args) - at; n == 0 || n%3 != 0 || o.nx && o.xx {
		c.Fail(errSyntax)
		return
	}
	var scores []float64
	for i := at; i < len(c.Args); i += 3 {
		lon, lat, ok := c.place(i)
		if !ok {
			return
		}
		scores = append(scores, geoScore(lon, lat))
	}
	zaddAll(c, &o, scores, func(i int) []byte { return c.Args[at+3*i+2] })
}

func geoposCmd(c *Ctx) {
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		lon, lat, ok := z.place(member)
		if !ok {
			c.Out.NullArray()
			continue
		}
		c.Out.Array(2)
		c.answerCoordinate(lon)
		c.answerCoordinate(lat)
	}
}

// place is where a member is; false if there is none.
func (z *zset) place(member []byte) (lon, lat float64, ok bool) {
	if z == nil {
		return 0, 0, false
	}
	score, ok := z.scoreOf(member)
	if !ok {
		return 0, 0, false
	}
	lon, lat = geoPlace(score)
	return lon, lat, true
}

func geohashCmd(c *Ctx) {
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	c.Out.Array(len(c.Args) - 2)
	for _, member := range c.Args[2:] {
		lon, lat, ok := z.place(member)
		if !ok {
			c.Out.Null()
			continue
		}
		c.Out.BulkString(geoText(lon, lat))
	}
}

func geodistCmd(c *Ctx) {
	unit := 1.0
	switch {
	case len(c.Args) > 5:
		c.Fail(errSyntax)
		return
	case len(c.Args) == 5:
		var ok bool
		if unit, ok = geoUnit(c.Args[4]); !ok {
			c.Fail(errGeoUnit)
			return
		}
	}
	z, ok := readObject[*zset](c, c.Args[1])
	if !ok {
		return
	}
	lon1, lat1, ok1 := z.place(c.Args[2])
	lon2, lat2, ok2 := z.place(c.Args[3])
	if !ok1 || !ok2 {
		c.Out.Null()
		return
	}
	c.answerDistance(geoDistance(lon1, lat1, lon2, lat2) / unit)
}
