package balise

// What other tables than the variables' are made of.
const (
	packetLinking  = 5
	packetNational = 44
	userStations   = 7 // NID_XUSER whose data has a station
	dataStation    = 2 // NID_XDATA of it
)

// NoGroup is the least NID_BG that is no balise group.
const NoGroup = 16380

// Link is what packet 5 says of the next balise group.
type Link struct {
	Country uint16
	Group   uint16
	CM      int64 // from the group that announces it
}

// Link gives the first link of the packet in work, p. country is that of its telegram. false = it announces no group.
func (r *Reader) Link(p *Packet, country uint16) (Link, bool) {
	if p.NID != packetLinking {
		return Link{}, false
	}
	distance, ok1 := r.first(nameLink)
	scale, ok2 := r.first(nameScale)
	group, ok3 := r.first(nameGroup)
	if !ok1 || !ok2 || !ok3 || scale > 2 {
		return Link{}, false
	}
	l := Link{Country: country, Group: uint16(group)}
	if other, _ := r.first(nameNewCountry); other == 1 {
		c, ok := r.first(nameCountry)
		if !ok {
			return Link{}, false
		}
		l.Country = uint16(c)
	}
	l.CM = int64(distance) * [...]int64{10, 100, 1000}[scale]
	return l, true
}

// Station is what packet 44 of user 7 says of the next station. Its distances are metres: those of a line's telegrams
// lead to the same place from each group that announces it.
type Station struct {
	ID      uint16
	StartCM int64 // from the group
	CM      int64 // its length
}

// Station gives the station of the packet in work, p; false = it has none.
func (r *Reader) Station(p *Packet) (Station, bool) {
	if p.NID != packetNational {
		return Station{}, false
	}
	user, _ := r.first(nameUser)
	data, _ := r.first(nameData)
	length, whole := r.first(nameStationLength)
	if user != userStations || data != dataStation || !whole {
		return Station{}, false
	}
	id, _ := r.first(nameStation)
	start, _ := r.first(nameStationStart)
	return Station{ID: uint16(id), StartCM: int64(start) * 100, CM: int64(length) * 100}, true
}

// first gives the first value of a variable in the packet in work.
func (r *Reader) first(name uint16) (uint64, bool) {
	for i, n := range r.names[:r.count] {
		if n == name {
			return r.raws[i], true
		}
	}
	return 0, false
}
