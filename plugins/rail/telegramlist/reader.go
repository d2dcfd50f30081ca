package telegramlist

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	maxLine    = 4 << 10 // bytes; a telegram has 256 digits at most, the rest are columns that nobody reads
	bufferSize = 4 * maxLine
	maxNothing = 100 // reads in a row that give neither bytes nor an error
)

// errLong is what line gives for a line of more than maxLine.
var errLong = errors.New("line too long")

// Reader reads a list. It keeps a buffer of 16 KiB, and nothing of what it has read.
type Reader struct {
	src  io.Reader
	buf  []byte
	r, w int   // unread bytes are buf[r:w]
	base int64 // offset of buf[0]
	err  error // what src ended with
	bits [maxBytes]byte
}

// NewReader makes a reader of a list; an *sdk.Input is one source.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, buf: make([]byte, bufferSize)}
}

// Next gives the next telegram. The error is a *LineError for a line that holds none, after which reading goes on,
// io.EOF at the end, or that of the source.
func (r *Reader) Next() (Entry, error) {
	for {
		line, at, err := r.line()
		if errors.Is(err, errLong) {
			return Entry{}, bad(at, BadLine, "the line is longer than %d bytes", maxLine)
		}
		if err != nil {
			return Entry{}, err
		}
		if text, ok := field(line); ok {
			return parse(text, at, &r.bits)
		}
	}
}

// field gives the first column of a line without blanks around; false when there is nothing to read in the line: it
// is blank, a comment, or only separators.
func field(line []byte) ([]byte, bool) {
	line, _, _ = bytes.Cut(line, []byte{'#'})
	if len(bytes.Trim(line, " \t,;")) == 0 {
		return nil, false
	}
	first, _, _ := bytes.Cut(line, []byte{';'})
	return bytes.Trim(first, " \t"), true
}

// line gives the next line that is not a long comment, without its end and without a byte-order mark, and its offset.
// It ends with LF or CR; what is between those of CRLF is one more blank line, at which nobody looks.
func (r *Reader) line() ([]byte, int64, error) {
	seen := 0
	for {
		if i := bytes.IndexAny(r.buf[r.r+seen:r.w], "\r\n"); i >= 0 && seen+i <= maxLine {
			line, at := r.take(seen + i)
			r.r++
			return line, at, nil
		}
		if seen = r.w - r.r; seen > maxLine {
			line, at := r.take(maxLine)
			comment := bytes.HasPrefix(bytes.TrimLeft(line, " \t"), []byte{'#'})
			if err := r.skip(); err != nil {
				return nil, at, err
			}
			if !comment {
				return nil, at, errLong
			}
			seen = 0
			continue
		}
		if err := r.fill(); err != nil {
			if errors.Is(err, io.EOF) && seen > 0 {
				line, at := r.take(seen)
				return line, at, nil
			}
			return nil, 0, err
		}
	}
}

// take consumes n bytes of a line that begins here.
func (r *Reader) take(n int) ([]byte, int64) {
	line, at := r.buf[r.r:r.r+n], r.base+int64(r.r)
	r.r += n
	if at == 0 {
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line, at
}

// skip goes to the end of the line.
func (r *Reader) skip() error {
	for {
		if i := bytes.IndexAny(r.buf[r.r:r.w], "\r\n"); i >= 0 {
			r.r += i + 1
			return nil
		}
		r.r = r.w
		if err := r.fill(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// fill reads at least a byte more. There is room for one: no more than maxLine are unread.
func (r *Reader) fill() error {
	if r.err != nil {
		return r.err
	}
	copy(r.buf, r.buf[r.r:r.w])
	r.base += int64(r.r)
	r.w -= r.r
	r.r = 0
	for range maxNothing {
		n, err := r.src.Read(r.buf[r.w:])
		r.w += n
		if err != nil && !errors.Is(err, io.EOF) {
			err = fmt.Errorf("read the list: %w", err)
		}
		if r.err = err; n > 0 {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("read the list: %w", io.ErrNoProgress)
}
