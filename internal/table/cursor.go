package table

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// A cursor names the last row of the page before and the query it belongs to. A sorted page reads the row's value
// again, so cursors stay short whatever is sorted by.

const cursorVersion = 1

// cursor gives the cursor of the page that ends with row.
func (r *Reader) cursor(p *plan, row int64) string {
	b := binary.AppendUvarint([]byte{cursorVersion}, uint64(row))
	b = binary.LittleEndian.AppendUint32(b, r.queryID(p))
	return base64.RawURLEncoding.EncodeToString(b)
}

// queryID tells queries apart, so that a cursor of one is not taken for a place in another. The metadata names the
// recording, the decoder and its parameters: a result that is made anew takes the cursors of the one before.
func (r *Reader) queryID(p *plan) uint32 {
	b := strconv.AppendInt([]byte(r.schema.Name), r.rows, 10)
	for _, key := range slices.Sorted(maps.Keys(r.meta)) {
		b = strconv.AppendQuote(strconv.AppendQuote(b, key), r.meta[key])
	}
	return crc32.ChecksumIEEE(p.appendText(b))
}

// appendText appends what tells which rows of a table a plan gives, and in which order.
func (p *plan) appendText(b []byte) []byte {
	b = strconv.AppendBool(strconv.AppendQuote(b, p.Sort), p.Desc)
	b = strconv.AppendQuote(b, p.Search)
	for i := range p.Where {
		b = strconv.AppendQuote(b, p.Where[i].expr)
	}
	return b
}

// parseCursor gives the row of the plan's cursor.
func (r *Reader) parseCursor(p *plan) (int64, error) {
	bad := errcode.New(errcode.Malformed, "the cursor is not one of this query")
	if len(p.Cursor) > 64 {
		return 0, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(p.Cursor)
	if err != nil || len(b) < 6 || b[0] != cursorVersion {
		return 0, bad
	}
	row, n := binary.Uvarint(b[1:])
	if n <= 0 || len(b) != 1+n+4 || row >= uint64(r.rows) || binary.LittleEndian.Uint32(b[1+n:]) != r.queryID(p) {
		return 0, bad
	}
	return int64(row), nil
}
