package recorder

import (
	"github.com/wayside-edge/wayside/plugins/rail/balise"
	"github.com/wayside-edge/wayside/sdk/go"
)

// Rules by which groups are told from each other and links from mistakes.
const (
	passCM    = 100_00 // a group read again further away is another pass
	nearCM    = 30_00  // balises of one group lie closer
	mostLinks = 64     // announced and not read yet; the oldest is forgotten
	linkSlack = 1_000_00
	anewCM    = 1_000_00 // a telegram so far back on the odometer says that this was set anew
	ringSize  = 64       // passes that are remembered, for links to a group that was read before; a power of two
)

// pass over a balise group.
type groupPass struct {
	key uint32 // NID_C and NID_BG; 0 = none
	at  int64  // where its first telegram was read, cm
}

// announced is a link whose group was not read yet.
type announced struct {
	key      uint32
	from     uint16
	telegram int64
	at       int64 // of the group that announces it
	cm       int64
}

// links compares the distances that packets 5 announce with the odometer. A group's place is where the first part of
// its first telegram was recorded: on real recordings that gives a smaller error than the place of the last part.
type links struct {
	current groupPass
	passes  [ringSize]groupPass // the latest ones
	next    int
	open    []announced

	beforePig  uint8 // of the telegram before
	beforeAt   int64
	beforeRead bool
	reverse    bool // the current telegram's group is passed against its nominal direction
}

func keyOf(country, group uint16) uint32 { return uint32(country)<<groupBits | uint32(group) }

// read takes a telegram: its header and where it was read. It says whether that begins a pass over a group, whose key
// it gives.
func (l *links) read(h *balise.Header, at int64) (uint32, bool) {
	if l.beforeRead && at < l.beforeAt-anewCM {
		*l = links{open: l.open[:0]}
	}
	l.turn(h, at)
	if h.Group >= balise.NoGroup {
		return 0, false
	}
	key := keyOf(h.Country, h.Group)
	if l.current.key == key && !far(at, l.current.at, passCM) {
		return key, false
	}
	l.current = groupPass{key, at}
	l.passes[l.next&(ringSize-1)] = l.current
	l.next++
	return key, true
}

// turn finds out in which direction a group is passed: by the telegram of the same group that was read before, else
// by the balise that comes first.
func (l *links) turn(h *balise.Header, at int64) {
	switch {
	case l.beforeRead && !far(at, l.beforeAt, nearCM) && h.Pig != l.beforePig:
		l.reverse = h.Pig < l.beforePig
	case !l.beforeRead || far(at, l.beforeAt, nearCM):
		l.reverse = h.Total > 0 && h.Pig == h.Total
	}
	l.beforePig, l.beforeAt, l.beforeRead = h.Pig, at, true
}

// place gives where distances in the telegram that was read last count from: its group's first telegram, where the
// group is known.
func (l *links) place(h *balise.Header) int64 {
	if h.Group >= balise.NoGroup {
		return l.beforeAt
	}
	return l.current.at
}

// behind finds the latest pass over a group at a plausible distance.
func (l *links) behind(key uint32, cm int64) (int64, bool) {
	for i := 1; i <= min(l.next, ringSize); i++ {
		p := &l.passes[(l.next-i)&(ringSize-1)]
		if p.key != key {
			continue
		}
		way := span(p.at, l.current.at)
		return way, way <= 2*cm+linkSlack
	}
	return 0, false
}

// linksTable has a row for every packet 5 whose next group was read.
type linksTable struct {
	*sdk.Table
	telegram                        *sdk.Int64
	from, to                        *sdk.Uint16
	announced, odometer, difference *sdk.Decimal64
	ahead                           *sdk.Bool
}

func newLinks(s *sdk.Schema) *linksTable {
	t := s.Table("links", "distances to the next group, as packets 5 announce them and by the odometer; in the order in which the second group was read")
	l := &linksTable{Table: t}
	l.telegram = t.Int64("telegram", sdk.Attr{Description: "seq of table telegrams"})
	l.from = t.Uint16("nid_bg_from", sdk.Attr{Description: "group that announces"})
	l.to = t.Uint16("nid_bg_to", sdk.Attr{Description: "group that is announced"})
	m := func(name, description string) *sdk.Decimal64 {
		return t.Decimal64(name, sdk.Attr{Scale: 2, Unit: "m", Description: description})
	}
	l.announced = m("announced_m", "D_LINK")
	l.odometer = m("odometer_m", "between the first telegrams of the groups, where their first parts were recorded")
	l.difference = m("difference_m", "odometer less announced")
	l.ahead = t.Bool("ahead", sdk.Attr{Description: "the announced group was read after; false: before, the packet is for the other direction"})
	return l
}

// passed writes the links that announced the group that a pass has just begun over, and forgets those that lie too far
// back.
func (d *decoder) passed(key uint32) {
	l := &d.links
	kept := l.open[:0]
	for _, a := range l.open {
		way := span(l.current.at, a.at)
		switch {
		case way > 2*a.cm+linkSlack:
		case a.key == key:
			d.writeLink(&a, way, true)
		default:
			kept = append(kept, a)
		}
	}
	l.open = kept
}

// link takes a packet 5 of the telegram that is being read.
func (d *decoder) link(k balise.Link, from *balise.Header, telegram int64) {
	if from.Group >= balise.NoGroup || k.Group >= balise.NoGroup {
		return
	}
	l := &d.links
	a := announced{key: keyOf(k.Country, k.Group), from: from.Group, telegram: telegram, at: l.current.at, cm: k.CM}
	if way, ok := l.behind(a.key, a.cm); ok {
		d.writeLink(&a, way, false)
		return
	}
	if len(l.open) == mostLinks {
		l.open = append(l.open[:0], l.open[1:]...)
	}
	l.open = append(l.open, a)
}

func (d *decoder) writeLink(a *announced, way int64, ahead bool) {
	t := d.out.links
	t.telegram.Set(a.telegram)
	t.from.Set(a.from)
	t.to.Set(uint16(a.key & (1<<groupBits - 1)))
	t.announced.Set(a.cm)
	t.odometer.Set(way)
	t.difference.Set(way - a.cm)
	t.ahead.Set(ahead)
	t.EndRow()
}
