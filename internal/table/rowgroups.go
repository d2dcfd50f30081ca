package table

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go/format"
)

// What the end of a file says of its row groups grows with the table, and an encoder keeps it until the file ends:
// readers expect the page indexes of all row groups behind each other, and the footer says where each of them lies.
// As structures of the format that took 2.7 KB a column of each row group. So it is kept as the bytes that will be
// written, compressed; only the places of the page indexes are filled in.

// rowGroups is what is kept of the row groups that stand in the file.
type rowGroups struct {
	most   int // bytes that a store gathers before it compresses: storeBytes, but in tests
	count  int
	bounds store // column indexes
	places store // offset indexes
	footer store // for each chunk itself and how long its page indexes are, then the row group with no chunks
}

// storeBytes is what compresses well, and more than all but large tables have.
const storeBytes = 64 << 10

// store keeps bytes, compressed once there are many.
type store struct {
	packed [][]byte
	last   []byte
	raw    []byte // room for what was packed
}

// pack compresses what was gathered once it is that many bytes. A piece that each gives ends only where pack was called.
func (s *store) pack(most int) error {
	if len(s.last) < most {
		return nil
	}
	b, err := zstdFast.Encode(s.raw[:0], s.last)
	if err != nil {
		return fmt.Errorf("pack parquet metadata: %w", err)
	}
	s.packed, s.last, s.raw = append(s.packed, bytes.Clone(b)), s.last[:0], b
	return nil
}

// each gives what was packed, piece by piece, then the rest; a piece is valid until the next.
func (s *store) each(use func(b []byte)) error {
	for _, p := range s.packed {
		b, err := zstdFast.Decode(s.raw[:0], p)
		if err != nil {
			return fmt.Errorf("unpack parquet metadata: %w", err)
		}
		s.raw = b
		use(b)
	}
	use(s.last)
	return nil
}

// noStructs is how the compact protocol of Thrift writes an empty list of structures in the field behind the last one.
const noStructs = "\x19\x0c"

var errThriftForm = errors.New("parquet metadata is not of the form that its parts are written in")

// addRowGroup takes a row group whose chunks stand in the file.
func (e *parquetEncoder) addRowGroup(group format.RowGroup, index []chunkIndex) {
	g := &e.groups
	for i := range group.Columns {
		bounds := 0
		if ci := index[i].column; ci != nil {
			b := e.thrift(ci)
			g.bounds.last, bounds = append(g.bounds.last, b...), len(b)
		}
		b := e.thrift(&index[i].offset)
		g.places.last = append(g.places.last, b...)
		places := len(b)
		b = e.thrift(&group.Columns[i])
		g.footer.last = appendBytes(g.footer.last, b[:max(len(b)-1, 0)]) // without the end of the structure
		g.footer.last = binary.AppendUvarint(g.footer.last, uint64(bounds))
		g.footer.last = binary.AppendUvarint(g.footer.last, uint64(places))
	}
	group.Columns = nil
	rest, ok := bytes.CutPrefix(e.thrift(&group), []byte(noStructs))
	if e.err == nil && !ok {
		e.err = errThriftForm
	}
	g.footer.last = appendBytes(g.footer.last, rest)
	g.count++
	if err := errors.Join(g.bounds.pack(g.most), g.places.pack(g.most), g.footer.pack(g.most)); e.err == nil {
		e.err = err
	}
}

// appendBytes appends bytes behind their number, cutBytes takes them off again.
func appendBytes(to, b []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

func cutBytes(from []byte) (b, rest []byte) {
	n, rest := cutNumber(from)
	return rest[:n], rest[n:]
}

func cutNumber(from []byte) (int, []byte) {
	n, k := binary.Uvarint(from)
	return int(n), from[k:]
}

// putIndexes writes the page indexes: first the bounds of all pages, then their places. It gives where either begin.
func (e *parquetEncoder) putIndexes() (bounds, places int64) {
	bounds = e.off
	err := e.groups.bounds.each(e.put)
	places = e.off
	if err = errors.Join(err, e.groups.places.each(e.put)); e.err == nil {
		e.err = err
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
	e.put(appendStructs(nil, e.groups.count))
	var out []byte
	err := e.groups.footer.each(func(b []byte) {
		for len(b) > 0 {
			out = appendStructs(out[:0], len(e.schema.Columns))
			for range e.schema.Columns {
				var chunk []byte
				var index [2]int
				chunk, b = cutBytes(b)
				index[0], b = cutNumber(b)
				index[1], b = cutNumber(b)
				out = appendIndexes(append(out, chunk...), bounds, places, index[0], index[1])
				bounds, places = bounds+int64(index[0]), places+int64(index[1])
			}
			var group []byte
			group, b = cutBytes(b)
			e.put(append(out, group...))
		}
	})
	if e.err == nil {
		e.err = err
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

// appendIndexes ends a column chunk: fields 4 to 7 say where its page indexes lie and how long they are. The field
// before is 3.
func appendIndexes(b []byte, bounds, places int64, boundsLen, placesLen int) []byte {
	b = binary.AppendVarint(append(b, 1<<4|thriftI64), places)
	b = binary.AppendVarint(append(b, 1<<4|thriftI32), int64(placesLen))
	if boundsLen > 0 {
		b = binary.AppendVarint(append(b, 1<<4|thriftI64), bounds)
		b = binary.AppendVarint(append(b, 1<<4|thriftI32), int64(boundsLen))
	}
	return append(b, thriftStop)
}
