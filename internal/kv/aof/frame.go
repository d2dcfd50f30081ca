package aof

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"strconv"
)

const (
	magic      = "WAYSIDE KV LOG 1\n"
	headBytes  = 9       // length, checksum, flags
	frameBytes = 1 << 20 // of a payload, from which on a group goes on in another frame
	flagMore   = 1       // the group goes on in the next frame

	// mostBytes is the longest payload that is read again: one command beyond frameBytes, of a key, a field and a value at
	// their longest, or of all that a client may send at once.
	mostBytes = math.MaxInt32

	manyArgs    = 128
	numberBytes = 6 // that the length of a short argument takes, with what is around it, and more
)

// castagnoli is made where it is needed: crc32 keeps the table.
func checksum(flags byte, payload []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	return crc32.Update(crc32.Update(0, t, []byte{flags}), t, payload)
}

// framer puts commands into frames. The last frame is open until close is called.
type framer struct {
	buf  []byte
	from int // of the open frame's head
	open bool
	db   int  // that commands of this file are in, -1 = none said yet
	most int  // bytes of a payload; 0 = mostBytes
	long bool // buf has a frame that is longer, and must not be written
}

// add appends a command. A frame that is full is closed, and says that the group goes on.
func (f *framer) add(db int, args [][]byte) {
	if f.open && len(f.buf)-f.from > frameBytes {
		f.close(flagMore)
	}
	if !f.open {
		f.open, f.from = true, len(f.buf)
		f.buf = append(f.buf, make([]byte, headBytes)...)
	}
	if db != f.db {
		f.db = db
		f.command([][]byte{[]byte("SELECT"), strconv.AppendInt(nil, int64(db), 10)})
	}
	f.command(args)
}

func (f *framer) command(args [][]byte) {
	if len(args) > manyArgs {
		f.room(args)
	}
	f.number('*', len(args))
	for _, a := range args {
		f.number('$', len(a))
		f.buf = append(f.buf, a...)
		f.buf = append(f.buf, '\r', '\n')
	}
}

// room has a large command find its room at once: the lock is held, and a buffer that doubles is copied each time.
func (f *framer) room(args [][]byte) {
	need := 0
	for _, a := range args {
		need += len(a) + numberBytes + 2
	}
	if need <= cap(f.buf)-len(f.buf) {
		return
	}
	b := make([]byte, len(f.buf), max(2*len(f.buf), len(f.buf)+need))
	copy(b, f.buf)
	f.buf = b
}

func (f *framer) number(kind byte, n int) {
	switch { // most are short
	case n < 10:
		f.buf = append(f.buf, kind, byte('0'+n), '\r', '\n')
		return
	case n < 100:
		f.buf = append(f.buf, kind, byte('0'+n/10), byte('0'+n%10), '\r', '\n')
		return
	}
	f.buf = append(f.buf, kind)
	f.buf = strconv.AppendInt(f.buf, int64(n), 10)
	f.buf = append(f.buf, '\r', '\n')
}

// close ends the open frame, if there is one.
func (f *framer) close(flags byte) {
	if !f.open {
		return
	}
	f.open = false
	head, payload := f.buf[f.from:f.from+headBytes], f.buf[f.from+headBytes:]
	if len(payload) > cmp.Or(f.most, mostBytes) {
		f.long = true
		return
	}
	binary.LittleEndian.PutUint32(head, uint32(len(payload)))
	binary.LittleEndian.PutUint32(head[4:], checksum(flags, payload))
	head[8] = flags
}

// errLong says that there is a command that no frame holds.
var errLong = errors.New("a command is too long for a log")

// errDamaged says that a frame is not what was written.
var errDamaged = errors.New("a frame is damaged")

// scanned is what a file holds.
type scanned struct {
	good    int64 // bytes up to the end of the last whole group
	size    int64
	damaged bool // a frame is wrong, or how long it is: bytes follow that are worth keeping
}

// scan reads a file's frames and says how far it is good. A file without the magic line is no log.
func scan(r io.Reader) (scanned, error) {
	b := bufio.NewReaderSize(r, 256<<10)
	var s scanned
	head := make([]byte, max(headBytes, len(magic)))
	if n, err := io.ReadFull(b, head[:len(magic)]); err != nil || string(head[:len(magic)]) != magic {
		s.size = int64(n)
		if err == nil {
			return s, errors.New("it does not begin as a log; without it, what came later would be wrong: mend it, or move all of them away")
		}
		return s, ignoreEnd(err) // cut while it was begun
	}
	at := int64(len(magic))
	s.good = at
	var payload []byte
	for {
		n, err := io.ReadFull(b, head[:headBytes])
		if err != nil {
			s.size = at + int64(n)
			return s, ignoreEnd(err)
		}
		length := int(binary.LittleEndian.Uint32(head))
		if length > mostBytes {
			s.damaged = true
			return s, s.rest(b, at+int64(n))
		}
		payload, err = readSome(b, payload[:0], length)
		if err != nil {
			s.size = at + headBytes + int64(len(payload))
			s.damaged = holdsFrame(payload)
			return s, ignoreEnd(err)
		}
		if checksum(head[8], payload) != binary.LittleEndian.Uint32(head[4:]) {
			s.damaged = true
			return s, s.rest(b, at+headBytes+int64(length))
		}
		at += headBytes + int64(length)
		if head[8]&flagMore == 0 {
			s.good = at
		}
		s.size = at
	}
}

// holdsFrame says whether there is a whole frame in what seemed to be a part of one: then it was no write that the power cut
// short, but a length that is wrong.
func holdsFrame(b []byte) bool {
	for at := headBytes; at < len(b); at++ {
		next := bytes.IndexByte(b[at:], '*')
		if next < 0 {
			return false
		}
		at += next
		head := b[at-headBytes : at]
		n := int64(binary.LittleEndian.Uint32(head))
		if head[8] <= flagMore && n <= int64(len(b)-at) && checksum(head[8], b[at:at+int(n)]) == binary.LittleEndian.Uint32(head[4:]) {
			return true
		}
	}
	return false
}

// rest counts what follows.
func (s *scanned) rest(b io.Reader, read int64) error {
	n, err := io.Copy(io.Discard, b)
	s.size = read + n
	if err != nil {
		return fmt.Errorf("read a log: %w", err)
	}
	return nil
}

func ignoreEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return fmt.Errorf("read a log: %w", err)
}

// readSome reads n bytes as they come, so that a length that lies takes no memory.
func readSome(r io.Reader, to []byte, n int) ([]byte, error) {
	const step = 1 << 20
	for n > 0 {
		k := min(n, step)
		from := len(to)
		to = append(to, make([]byte, k)...)
		got, err := io.ReadFull(r, to[from:])
		to = to[:from+got]
		if err != nil {
			return to, err //nolint:wrapcheck // judged by the caller
		}
		n -= k
	}
	return to, nil
}

// payloads gives the payloads of a file's good part as one stream.
type payloads struct {
	r    io.Reader
	left int64 // of the good part
	in   int   // of the frame that is being read
}

// Read implements io.Reader.
func (p *payloads) Read(b []byte) (int, error) {
	for p.in == 0 {
		if p.left < headBytes {
			return 0, io.EOF
		}
		var head [headBytes]byte
		if _, err := io.ReadFull(p.r, head[:]); err != nil {
			return 0, fmt.Errorf("read a log: %w", err)
		}
		p.in = int(binary.LittleEndian.Uint32(head[:]))
		p.left -= headBytes
		if int64(p.in) > p.left {
			return 0, fmt.Errorf("read a log: %w", errDamaged)
		}
	}
	n, err := p.r.Read(b[:min(len(b), p.in)])
	p.in -= n
	p.left -= int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err //nolint:wrapcheck // as an io.Reader's
}
