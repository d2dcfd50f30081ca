package table

import (
	"encoding/binary"
	"errors"

	"github.com/parquet-go/parquet-go/format"
)

// What the end of a file says of its row groups grows with the table, and an encoder keeps it until the file ends:
// readers expect the page indexes of all row groups behind each other, and the footer says where each of them lies.
// As structures of the format that took 2.7 KB a column of each row group. So it is kept as the bytes that will be
// written, a fraction of that; only the places of the page indexes are filled in.

// groupBytes is what is kept of a row group.
type groupBytes struct {
	rest   []byte // the row group with an empty list of columns
	chunks []chunkBytes
	bounds []byte // column indexes of its chunks
	places []byte // offset indexes of its chunks
}

// chunkBytes is what is kept of a column chunk.
type chunkBytes struct {
	meta           []byte // the chunk without its page indexes and without the end of the structure
	bounds, places int32  // bytes of its page indexes
}

// noStructs is how the compact protocol of Thrift writes an empty list of structures in the field behind the last one.
const noStructs = "\x19\x0c"

var errThriftForm = errors.New("parquet metadata is not of the form that its parts are written in")

// addRowGroup takes a row group whose chunks stand in the file.
func (e *parquetEncoder) addRowGroup(group format.RowGroup, index []chunkIndex) {
	g := groupBytes{chunks: make([]chunkBytes, len(group.Columns))}
	var all []byte
	from := make([]int, len(group.Columns)+1)
	for i := range group.Columns {
		if ci := index[i].column; ci != nil {
			b := e.thrift(ci)
			g.bounds, g.chunks[i].bounds = append(g.bounds, b...), int32(len(b))
		}
		b := e.thrift(&index[i].offset)
		g.places, g.chunks[i].places = append(g.places, b...), int32(len(b))
		b = e.thrift(&group.Columns[i])
		all = append(all, b[:max(len(b)-1, 0)]...)
		from[i+1] = len(all)
	}
	all = append(make([]byte, 0, len(all)), all...)
	for i := range g.chunks {
		g.chunks[i].meta = all[from[i]:from[i+1]]
	}
	group.Columns = nil
	g.rest = append([]byte(nil), e.thrift(&group)...)
	if e.err == nil && (len(g.rest) < len(noStructs) || string(g.rest[:len(noStructs)]) != noStructs) {
		e.err = errThriftForm
	}
	e.groups = append(e.groups, g)
}

// putIndexes writes the page indexes: first the bounds of all pages, then their places. It gives where either begin.
func (e *parquetEncoder) putIndexes() (bounds, places int64) {
	bounds = e.off
	for i := range e.groups {
		e.put(e.groups[i].bounds)
		e.groups[i].bounds = nil
	}
	places = e.off
	for i := range e.groups {
		e.put(e.groups[i].places)
		e.groups[i].places = nil
	}
	return bounds, places
}

// putFooter writes the footer: m, with the row groups where m has an empty list of them.
func (e *parquetEncoder) putFooter(m *format.FileMetaData, bounds, places int64) {
	head := *m
	head.KeyValueMetadata, head.CreatedBy, head.ColumnOrders = nil, "", nil
	start := string(e.thrift(&head))
	rest := append([]byte(nil), e.thrift(m)...)
	at := len(start) - len(noStructs) - 1 // behind the list is the end of the structure
	if e.err != nil {
		return
	}
	if at < 0 || start[at:] != noStructs+"\x00" || len(rest) < len(start) || string(rest[:at]) != start[:at] {
		e.err = errThriftForm
		return
	}
	from := e.off
	e.put(rest[:at])
	e.put(appendStructs(nil, len(e.groups)))
	var b []byte
	for i := range e.groups {
		g := &e.groups[i]
		b = appendStructs(b[:0], len(g.chunks))
		for _, c := range g.chunks {
			b = append(b, c.meta...)
			b = c.appendIndexes(b, bounds, places)
			bounds, places = bounds+int64(c.bounds), places+int64(c.places)
		}
		e.put(append(b, g.rest[len(noStructs):]...))
	}
	e.put(rest[at+len(noStructs):])
	e.put(append(binary.LittleEndian.AppendUint32(nil, uint32(e.off-from)), parquetMagic...))
}

// appendStructs begins the field behind the last one: a list of n structures.
func appendStructs(b []byte, n int) []byte {
	b = append(b, noStructs[0])
	if n < 15 {
		return append(b, byte(n<<4|thriftStruct))
	}
	return binary.AppendUvarint(append(b, 0xf0|thriftStruct), uint64(n))
}

// appendIndexes ends a column chunk: fields 4 to 7 say where its page indexes lie. The field before is 3.
func (c *chunkBytes) appendIndexes(b []byte, bounds, places int64) []byte {
	b = binary.AppendVarint(append(b, 1<<4|thriftI64), places)
	b = binary.AppendVarint(append(b, 1<<4|thriftI32), int64(c.places))
	if c.bounds > 0 {
		b = binary.AppendVarint(append(b, 1<<4|thriftI64), bounds)
		b = binary.AppendVarint(append(b, 1<<4|thriftI32), int64(c.bounds))
	}
	return append(b, thriftStop)
}
