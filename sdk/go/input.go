package sdk

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Sizes of the read buffer: it starts small, because most files are, and doubles with every read that fills it.
const (
	firstBuffer = 16 << 10
	fullBuffer  = 256 << 10
)

// Input is the file that is decoded: a buffered reader that knows its offset, the parameters, and the way to report
// issues. It implements io.Reader and io.ByteReader. A recording that came as several files is read part by part: see
// NextPart.
type Input struct {
	ses   *session
	buf   []byte
	r, w  int   // unread bytes are buf[r:w]
	base  int64 // offset in the input of buf[0]
	err   error // what the part ended with, io.EOF at its end
	part  int   // the open part
	start int64 // its offset
}

func newInput(ses *session) *Input { return &Input{ses: ses} }

// Offset gives the byte offset of the next unread byte. It counts the bytes of all parts in their order, as the
// offsets of rows and issues do.
func (in *Input) Offset() int64 { return in.base + int64(in.r) }

// Peek gives the next n bytes without consuming them. With fewer left it gives those and io.EOF (none) or
// io.ErrUnexpectedEOF. The slice is valid until the next call that reads. Memory grows with n, so n must not be a
// length that the file alone bounds: check it first.
func (in *Input) Peek(n int) ([]byte, error) {
	if end := in.r + n; end <= in.w {
		return in.buf[in.r:end], nil
	}
	return in.peekSlow(n)
}

// Window gives all unread bytes that are at hand, at least n of them, as Peek does. A decoder whose records are
// small and many walks through the window and discards what it used: that spares it a call a record.
func (in *Input) Window(n int) ([]byte, error) {
	b, err := in.Peek(n)
	if err != nil {
		return b, err
	}
	return in.buf[in.r:in.w], nil
}

// Next is Peek and Discard in one. After an error nothing is consumed.
func (in *Input) Next(n int) ([]byte, error) {
	if end := in.r + n; end <= in.w {
		b := in.buf[in.r:end]
		in.r = end
		return b, nil
	}
	return in.nextSlow(n)
}

func (in *Input) nextSlow(n int) ([]byte, error) {
	b, err := in.peekSlow(n)
	if err == nil {
		in.r += n
	}
	return b, err
}

// Discard skips n bytes; io.ErrUnexpectedEOF when the input ends before.
func (in *Input) Discard(n int64) error {
	for {
		have := int64(in.w - in.r)
		if n <= have {
			in.r += int(n)
			return nil
		}
		n -= have
		in.r = in.w
		if err := in.fill(1); err != nil {
			if errors.Is(err, io.EOF) {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

// Read gives at least one byte or an error, io.EOF at the end.
func (in *Input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if in.w == in.r {
		if err := in.fill(1); err != nil {
			return 0, err
		}
	}
	n := copy(p, in.buf[in.r:in.w])
	in.r += n
	return n, nil
}

// ReadByte gives one byte or an error, io.EOF at the end.
func (in *Input) ReadByte() (byte, error) {
	b, err := in.Next(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

// ReadAt reads anywhere in the open part, from whose start off counts; it needs capability seek.
func (in *Input) ReadAt(p []byte, off int64) (int, error) {
	if in.ses.host.At == nil {
		return 0, errors.New("read at an offset: capability seek was not granted")
	}
	n, err := in.ses.host.At.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read at %d: %w", off, err)
	}
	return n, err
}

// Size gives the length of the open part; -1 without capability seek.
func (in *Input) Size() int64 {
	if in.ses.host.At == nil {
		return -1
	}
	return in.ses.host.At.Size()
}

// Param gives a parameter of the decode as text.
func (in *Input) Param(key string) (string, bool) {
	if in.ses.host.Param == nil {
		return "", false
	}
	return in.ses.host.Param(key)
}

// BoolParam gives a parameter that is true or false, or its default.
func (in *Input) BoolParam(key string, def bool) bool {
	switch v, _ := in.Param(key); v {
	case "true", "1":
		return true
	case "false", "0":
		return false
	}
	return def
}

// IntParam gives a parameter that is a whole number, or its default.
func (in *Input) IntParam(key string, def int64) int64 {
	v, _ := in.Param(key)
	if n, err := strconv.ParseInt(v, 10, 64); err == nil {
		return n
	}
	return def
}

// Issue reports a problem at a byte offset of the input. A fatal one is reported last; the decoder then returns.
func (in *Input) Issue(severity abi.Severity, offset int64, code, message string) {
	in.ses.host.Sink.Issue(severity, offset, code, message)
}

// Issuef is Issue with a formatted message.
func (in *Input) Issuef(severity abi.Severity, offset int64, code, format string, args ...any) {
	in.ses.host.Sink.Issue(severity, offset, code, fmt.Sprintf(format, args...))
}

// Log writes a line to the decode's log.
func (in *Input) Log(severity abi.Severity, message string) { in.ses.host.Sink.Log(severity, message) }

func (in *Input) peekSlow(n int) ([]byte, error) {
	if err := in.fill(n); err != nil {
		if errors.Is(err, io.EOF) && in.w > in.r {
			err = io.ErrUnexpectedEOF
		}
		return in.buf[in.r:in.w:in.w], err
	}
	return in.buf[in.r : in.r+n : in.r+n], nil
}

// fill reads until n bytes are buffered.
func (in *Input) fill(n int) error {
	for in.w-in.r < n {
		if in.ses.stopped {
			return ErrStopped
		}
		if in.ses.err != nil {
			return in.ses.err
		}
		if in.err != nil {
			return in.err
		}
		in.makeRoom(n)
		k, err := in.ses.host.Input.Read(in.buf[in.w:])
		in.w += k
		if err != nil {
			in.err = err
		}
	}
	if in.ses.stopped {
		return ErrStopped
	}
	return nil
}

// makeRoom moves the unread bytes to the front, into a larger buffer when n does not fit or the last read filled
// the buffer.
func (in *Input) makeRoom(n int) {
	size := len(in.buf)
	switch {
	case size == 0:
		size = firstBuffer
	case in.w == size && size < fullBuffer:
		size *= 2
	}
	for size < n {
		size *= 2
	}
	to := in.buf
	if size != len(in.buf) {
		to = make([]byte, size)
	}
	copy(to, in.buf[in.r:in.w])
	in.base += int64(in.r)
	in.w -= in.r
	in.r = 0
	in.buf = to
}
