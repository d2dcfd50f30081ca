package recorder

import "github.com/wayside-edge/wayside/plugins/rail/balise"

// writeVariables writes the variables of the reader's packet, as many rows at a time as there is room for.
func (d *decoder) writeVariables() {
	t, c := d.out.variables, &d.cells
	vars := d.reader.Variables()
	c.telegram, c.packet, c.index = d.out.telegrams.Rows()+1, d.out.packets.Rows()+1, 0
	for len(vars) > 0 {
		c.telegrams, c.packets, c.indexes, c.names = t.telegram.Room(), t.packet.Room(), t.index.Room(), t.name.Room()
		c.raws, c.values, c.units, c.meanings = t.raw.Room(), t.value.Room(), t.unit.Room(), t.meaning.Room()
		part := vars[:min(len(vars), len(c.telegrams), cellRows)]
		c.fill(part)
		t.value.Absent(c.noValue[:len(part)])
		t.unit.Absent(c.noUnit[:len(part)])
		t.meaning.Absent(c.noMeaning[:len(part)])
		t.Added(len(part))
		vars = vars[len(part):]
	}
}

// cellRows is the most rows of one fill.
const cellRows = 1024

// cells is what fill writes: room for rows of table variables, and which of them have nulls.
type cells struct {
	telegram, packet int64
	index            uint16

	telegrams, packets              []int64
	indexes, names, units, meanings []uint16
	raws                            []uint64
	values                          []float64
	noValue, noUnit, noMeaning      [cellRows]uint8
}

// fill writes a row for each variable. It calls nothing and needs no bounds check, see lanes.fill.
func (c *cells) fill(vars []balise.Variable) {
	telegrams, packets, indexes, names := c.telegrams, c.packets, c.indexes, c.names
	raws, values, units, meanings := c.raws, c.values, c.units, c.meanings
	n, index := len(vars), c.index
	if len(telegrams) < n || len(packets) < n || len(indexes) < n || len(names) < n || len(raws) < n || len(values) < n ||
		len(units) < n || len(meanings) < n {
		return
	}
	for i := range vars {
		v := &vars[i]
		telegrams[i], packets[i], indexes[i] = c.telegram, c.packet, index
		names[i], raws[i], values[i], units[i], meanings[i] = v.Name, v.Raw, v.Value, v.Unit, v.Meaning
		k := i & (cellRows - 1)
		c.noValue[k], c.noUnit[k], c.noMeaning[k] = flag(!v.Valued), flag(v.Unit == 0), flag(v.Meaning == 0)
		index++
	}
	c.index = index
}

// flag gives 1 for true.
func flag(b bool) uint8 {
	var f uint8
	if b {
		f = 1
	}
	return f
}
