package engine

import (
	"math"
	"strconv"
	"strings"
)

// Bounds of what has a place: Web Mercator ends in front of the poles.
const (
	geoLonMax, geoLatMax = 180.0, 85.05112878
	geoSteps             = 26 // bits of each coordinate: together the 52 that a score holds
	earthRadius          = 6372797.560856
	mercatorMax          = 20037726.37
)

// geoCell is a rectangle of the earth: the interleaved bits of its longitude and latitude, of each as many as it has steps.
type geoCell struct {
	bits  uint64
	steps uint
}

// geoArea is what a cell covers.
type geoArea struct{ lonMin, lonMax, latMin, latMax float64 }

// spread puts a zero in front of each bit.
func spread(n uint32) uint64 {
	x := uint64(n)
	x = (x | x<<16) & 0x0000ffff0000ffff
	x = (x | x<<8) & 0x00ff00ff00ff00ff
	x = (x | x<<4) & 0x0f0f0f0f0f0f0f0f
	x = (x | x<<2) & 0x3333333333333333
	return (x | x<<1) & 0x5555555555555555
}

// gather takes every other bit.
func gather(x uint64) uint32 {
	x &= 0x5555555555555555
	x = (x | x>>1) & 0x3333333333333333
	x = (x | x>>2) & 0x0f0f0f0f0f0f0f0f
	x = (x | x>>4) & 0x00ff00ff00ff00ff
	x = (x | x>>8) & 0x0000ffff0000ffff
	return uint32(x | x>>16)
}

// geoEncode gives the cell of a place, where latitudes go to latMax.
func geoEncode(lon, lat, latMax float64, steps uint) geoCell {
	scale := float64(uint64(1) << steps)
	x := (lon + geoLonMax) / (2 * geoLonMax) * scale
	y := (lat + latMax) / (2 * latMax) * scale
	return geoCell{spread(uint32(int64(y))) | spread(uint32(int64(x)))<<1, steps}
}

// area gives what the cell covers.
func (g geoCell) area() geoArea {
	scale := float64(uint64(1) << g.steps)
	x, y := gather(g.bits>>1), gather(g.bits)
	return geoArea{
		lonMin: -geoLonMax + float64(x)/scale*(2*geoLonMax), lonMax: -geoLonMax + float64(x+1)/scale*(2*geoLonMax),
		latMin: -geoLatMax + float64(y)/scale*(2*geoLatMax), latMax: -geoLatMax + float64(y+1)/scale*(2*geoLatMax),
	}
}

// geoPlace is the middle of the cell that a score is.
func geoPlace(score float64) (lon, lat float64) {
	a := geoCell{uint64(score), geoSteps}.area()
	lon, lat = (a.lonMin+a.lonMax)/2, (a.latMin+a.latMax)/2
	return min(max(lon, -geoLonMax), geoLonMax), min(max(lat, -geoLatMax), geoLatMax)
}

// geoScore is the score of a place.
func geoScore(lon, lat float64) float64 {
	return float64(geoEncode(lon, lat, geoLatMax, geoSteps).bits)
}

// scores gives the scores of a cell: from, and up to but without to.
func (g geoCell) scores() (from, to float64) {
	shift := 2 * (geoSteps - g.steps)
	return float64(g.bits << shift), float64((g.bits + 1) << shift)
}

// moved is the cell so many further east and north; the earth is round.
func (g geoCell) moved(east, north int) geoCell {
	mask := uint32(1)<<g.steps - 1
	x, y := gather(g.bits>>1), gather(g.bits)
	g.bits = spread((y+uint32(north))&mask) | spread((x+uint32(east))&mask)<<1
	return g
}

func radians(deg float64) float64 { return deg * (math.Pi / 180) }
func degrees(rad float64) float64 { return rad / (math.Pi / 180) }

// geoDistance is the way between two places in metres, along a great circle (haversine).
func geoDistance(lon1, lat1, lon2, lat2 float64) float64 {
	v := math.Sin((radians(lon2) - radians(lon1)) / 2)
	if v == 0 {
		return latDistance(lat1, lat2)
	}
	u := math.Sin((radians(lat2) - radians(lat1)) / 2)
	a := u*u + math.Cos(radians(lat1))*math.Cos(radians(lat2))*v*v
	return 2 * earthRadius * math.Asin(math.Sqrt(a))
}

func latDistance(lat1, lat2 float64) float64 {
	return earthRadius * math.Abs(radians(lat2)-radians(lat1))
}

// geoShape is a circle or a box around a place. Lengths are in the unit that was asked for.
type geoShape struct {
	lon, lat      float64
	box           bool
	radius        float64
	width, height float64
	unit          float64 // metres
}

// holds says whether a place is within the shape, and how far from the middle.
func (s *geoShape) holds(lon, lat float64) (distance float64, ok bool) {
	if s.box {
		if latDistance(lat, s.lat) > s.height*s.unit/2 || geoDistance(lon, lat, s.lon, lat) > s.width*s.unit/2 {
			return 0, false
		}
		return geoDistance(s.lon, s.lat, lon, lat), true
	}
	distance = geoDistance(s.lon, s.lat, lon, lat)
	return distance, distance <= s.radius*s.unit
}

// bounds are the coordinates between which the shape lies.
func (s *geoShape) bounds() geoArea {
	height, width := s.radius*s.unit, s.radius*s.unit
	if s.box {
		height, width = s.height/2*s.unit, s.width/2*s.unit
	}
	dLat := degrees(height / earthRadius)
	wide := s.lat + dLat
	if s.lat < 0 {
		wide = s.lat - dLat
	}
	dLon := degrees(width / earthRadius / math.Cos(radians(wide)))
	return geoArea{s.lon - dLon, s.lon + dLon, s.lat - dLat, s.lat + dLat}
}

// steps is how fine the cells are of which nine cover the shape.
func (s *geoShape) steps() uint {
	r := s.radius
	if s.box {
		r = math.Sqrt(s.width/2*(s.width/2) + s.height/2*(s.height/2))
	}
	r *= s.unit
	if r == 0 {
		return geoSteps
	}
	steps := 1
	for ; r < mercatorMax && steps < 100; steps++ {
		r *= 2
	}
	steps -= 2
	if math.Abs(s.lat) > 66 { // degrees of longitude are short there
		steps--
		if math.Abs(s.lat) > 80 {
			steps--
		}
	}
	return uint(min(max(steps, 1), geoSteps))
}

// cells gives the cells that cover the shape: that of its middle and those around it which are of use.
func (s *geoShape) cells() []geoCell {
	b, steps := s.bounds(), s.steps()
	at := geoEncode(s.lon, s.lat, geoLatMax, steps)
	if steps > 1 && (at.moved(0, 1).area().latMax < b.latMax || at.moved(0, -1).area().latMin > b.latMin ||
		at.moved(1, 0).area().lonMax < b.lonMax || at.moved(-1, 0).area().lonMin > b.lonMin) {
		steps--
		at = geoEncode(s.lon, s.lat, geoLatMax, steps)
	}
	a := at.area()
	south, north := a.latMin < b.latMin, a.latMax > b.latMax // the middle cell reaches as far already
	west, east := a.lonMin < b.lonMin, a.lonMax > b.lonMax
	cells := []geoCell{at}
	for _, d := range [...][2]int{{0, 1}, {0, -1}, {1, 0}, {-1, 0}, {1, 1}, {-1, 1}, {1, -1}, {-1, -1}} {
		if steps >= 2 && (d[1] > 0 && north || d[1] < 0 && south || d[0] > 0 && east || d[0] < 0 && west) {
			continue
		}
		// On the coarsest grid both neighbours are the same cell.
		if c := at.moved(d[0], d[1]); len(cells) == 1 || c != cells[len(cells)-1] {
			cells = append(cells, c)
		}
	}
	return cells
}

// geoUnits are what lengths may be given in, in metres.
func geoUnit(arg []byte) (float64, bool) {
	switch strings.ToLower(string(arg)) {
	case "m":
		return 1, true
	case "km":
		return 1000, true
	case "ft":
		return 0.3048, true
	case "mi":
		return 1609.34, true
	}
	return 0, false
}

// geoText is a place as other services write it (Niemeyer's geohash), with as many letters as the bits are good for and a
// zero behind.
func geoText(lon, lat float64) string {
	const letters = "0123456789bcdefghjkmnpqrstuvwxyz"
	bits := geoEncode(lon, lat, 90, geoSteps).bits
	text := make([]byte, 11)
	for i := range 10 {
		text[i] = letters[bits>>(52-5*(i+1))&31]
	}
	text[10] = letters[0]
	return string(text)
}

// answerCoordinate answers a longitude or latitude: with 17 decimals, without zeros at the end.
func (c *Ctx) answerCoordinate(f float64) {
	text := strings.TrimRight(strconv.FormatFloat(f, 'f', 17, 64), "0")
	text = strings.TrimSuffix(text, ".")
	if text == "-0" {
		text = "0"
	}
	out, ok := c.Out.(interface{ Decimal(text string) })
	switch {
	case ok:
		out.Decimal(text)
	case c.Out.Version() >= 3: // of a script
		c.Out.Double(f)
	default:
		c.Out.BulkString(text)
	}
}

// answerDistance answers a length with four decimals.
func (c *Ctx) answerDistance(d float64) {
	n := math.RoundToEven(d * 1e4)
	if !(n < math.MaxInt64/2) {
		c.Out.BulkString("")
		return
	}
	text := strconv.FormatInt(int64(n), 10)
	if len(text) < 5 {
		text = strings.Repeat("0", 5-len(text)) + text
	}
	c.Out.BulkString(text[:len(text)-4] + "." + text[len(text)-4:])
}
