package resp

import (
	"math"
	"strconv"
)

// Writer collects answers in memory, in the version of the protocol that the client asked for. Its methods are those of
// the engine's Reply.
type Writer struct {
	Buf []byte
	// Max is how many bytes may be there; 0 = no bound. What does not fit is dropped, and Full says so: the stream is broken
	// then, and its connection has to end.
	Max     int
	Full    bool
	version int
}

// NewWriter writes version 2.
func NewWriter() *Writer { return &Writer{version: 2} }

// SetVersion changes the version of what is written from now on.
func (w *Writer) SetVersion(v int) { w.version = v }

// Version is 2 or 3.
func (w *Writer) Version() int { return w.version }

// fits says whether n more bytes may be written.
func (w *Writer) fits(n int) bool {
	if w.Max > 0 && len(w.Buf)+n > w.Max {
		w.Full = true
	}
	return !w.Full
}

func (w *Writer) head(kind byte, n int64) {
	if !w.fits(0) {
		return
	}
	w.Buf = append(w.Buf, kind)
	w.Buf = strconv.AppendInt(w.Buf, n, 10)
	w.Buf = append(w.Buf, '\r', '\n')
}

func (w *Writer) line(kind byte, s string) {
	if !w.fits(len(s)) {
		return
	}
	w.Buf = append(w.Buf, kind)
	from := len(w.Buf)
	w.Buf = append(w.Buf, s...)
	for i := from; i < len(w.Buf); i++ { // a line is one line, whatever a client's key had in it
		if w.Buf[i] == '\r' || w.Buf[i] == '\n' {
			w.Buf[i] = ' '
		}
	}
	w.Buf = append(w.Buf, '\r', '\n')
}

func (w *Writer) raw(s string) {
	if w.fits(len(s)) {
		w.Buf = append(w.Buf, s...)
	}
}

// Simple writes a status.
func (w *Writer) Simple(s string) { w.line('+', s) }

// Error writes an error: a word that programs know, and text.
func (w *Writer) Error(s string) { w.line('-', s) }

// Int writes an integer.
func (w *Writer) Int(n int64) { w.head(':', n) }

// Bulk writes a byte string.
func (w *Writer) Bulk(b []byte) {
	if !w.fits(len(b)) {
		return
	}
	w.head('$', int64(len(b)))
	w.Buf = append(w.Buf, b...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// BulkString is Bulk of a string.
func (w *Writer) BulkString(s string) {
	if !w.fits(len(s)) {
		return
	}
	w.head('$', int64(len(s)))
	w.Buf = append(w.Buf, s...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Null writes that there is no value.
func (w *Writer) Null() {
	if w.version >= 3 {
		w.raw("_\r\n")
		return
	}
	w.raw("$-1\r\n")
}

// NullArray writes that there is no array.
func (w *Writer) NullArray() {
	if w.version >= 3 {
		w.raw("_\r\n")
		return
	}
	w.raw("*-1\r\n")
}

// Bool writes a truth value; 1 or 0 in version 2.
func (w *Writer) Bool(b bool) {
	switch {
	case w.version < 3 && b:
		w.Int(1)
	case w.version < 3:
		w.Int(0)
	case b:
		w.raw("#t\r\n")
	default:
		w.raw("#f\r\n")
	}
}

// Double writes a floating-point number so that it reads back as itself.
func (w *Writer) Double(f float64) {
	var scratch [32]byte
	b := AppendDouble(scratch[:0], f)
	if w.version < 3 {
		w.Bulk(b)
		return
	}
	if !w.fits(len(b)) {
		return
	}
	w.Buf = append(w.Buf, ',')
	w.Buf = append(w.Buf, b...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// Decimal writes a number that is written out already; a byte string in version 2.
func (w *Writer) Decimal(text string) {
	if w.version < 3 {
		w.BulkString(text)
		return
	}
	w.line(',', text)
}

// AppendDouble writes a number as Redis does, which is C's %.17g: 17 significant digits without zeros at the end.
func AppendDouble(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	case f == math.Trunc(f) && math.Abs(f) < 1e17 && (f != 0 || !math.Signbit(f)):
		return strconv.AppendInt(b, int64(f), 10)
	}
	return strconv.AppendFloat(b, f, 'g', 17, 64)
}

// Array begins an array of n values.
func (w *Writer) Array(n int) { w.head('*', int64(n)) }

// Map begins n pairs; an array of 2n values in version 2.
func (w *Writer) Map(n int) {
	if w.version >= 3 {
		w.head('%', int64(n))
		return
	}
	w.head('*', int64(2*n))
}

// Set begins a set of n values; an array in version 2.
func (w *Writer) Set(n int) {
	if w.version >= 3 {
		w.head('~', int64(n))
		return
	}
	w.head('*', int64(n))
}

// Push begins a message of n values that answers no command; an array in version 2.
func (w *Writer) Push(n int) {
	if w.version >= 3 {
		w.head('>', int64(n))
		return
	}
	w.head('*', int64(n))
}

// Verbatim writes text with its format, three letters; a byte string in version 2.
func (w *Writer) Verbatim(format, text string) {
	if w.version < 3 {
		w.BulkString(text)
		return
	}
	if !w.fits(len(text)) {
		return
	}
	w.head('=', int64(len(text)+4))
	w.Buf = append(w.Buf, format...)
	w.Buf = append(w.Buf, ':')
	w.Buf = append(w.Buf, text...)
	w.Buf = append(w.Buf, '\r', '\n')
}

// BigNumber writes an integer of any size; a byte string in version 2.
func (w *Writer) BigNumber(s string) {
	if w.version < 3 {
		w.BulkString(s)
		return
	}
	w.line('(', s)
}

// Mark is where something is to be inserted that is not known yet: the number of values that follow.
func (w *Writer) Mark() int { return len(w.Buf) }

// ArrayAt writes the head of an array in front of what was written since the mark.
func (w *Writer) ArrayAt(mark, n int) { w.insert(mark, func() { w.Array(n) }) }

// MapAt is ArrayAt for n pairs.
func (w *Writer) MapAt(mark, n int) { w.insert(mark, func() { w.Map(n) }) }

// SetAt is ArrayAt for a set.
func (w *Writer) SetAt(mark, n int) { w.insert(mark, func() { w.Set(n) }) }

func (w *Writer) insert(mark int, head func()) {
	end := len(w.Buf)
	head()
	n := len(w.Buf) - end
	var scratch [32]byte
	h := scratch[:copy(scratch[:], w.Buf[end:])]
	copy(w.Buf[mark+n:], w.Buf[mark:end])
	copy(w.Buf[mark:], h)
}

// Undo takes back what was written since the mark.
func (w *Writer) Undo(mark int) { w.Buf = w.Buf[:min(mark, len(w.Buf))] }
