// Package resp reads the commands and writes the answers of the Redis serialization protocol, versions 2 and 3
// (https://redis.io/docs/reference/protocol-spec/). It knows no command.
//
// It is apart so that what comes from a socket is parsed in one place that keeps its bounds, and can be fuzzed alone.
// Nothing here is safe for concurrent use, and nothing starts a goroutine.
package resp

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// Limits bound what one command may be. A client that has not said who it is gets small ones.
type Limits struct {
	Args   int // arguments of a command, its name included
	Bulk   int // bytes of an argument
	Inline int // bytes of a line: an inline command, a header
	Total  int // bytes of a command; 0 = no bound beside Args × Bulk
}

// Limits as Redis has them, and for clients before AUTH.
var (
	Full   = Limits{Args: 1 << 20, Bulk: 512 << 20, Inline: 64 << 10}
	Unsure = Limits{Args: 10, Bulk: 16 << 10, Inline: 16 << 10, Total: 64 << 10}
)

// ProtocolError is a breach of the protocol: what came after it cannot be understood, so the connection is closed after
// it was told.
type ProtocolError struct{ Reason string }

func (e *ProtocolError) Error() string { return "Protocol error: " + e.Reason }

// ErrIncomplete says that the buffer holds no whole command yet.
var ErrIncomplete = errors.New("resp: incomplete command")

const (
	startBuffer = 4 << 10   // ten thousand idle clients cost 40 MiB
	readBuffer  = 16 << 10  // of a client that fills the first
	keepBuffer  = 64 << 10  // a larger one is let go of when it is empty
	leastOwn    = 512       // of a command that is not whole, when the Reader that took it goes on with others
	manySmall   = 64        // small reads after which a buffer of more than readBuffer is let go of
	maxArgs     = 128       // capacity of the argument list that is kept
	mostAhead   = 16 << 10  // bytes of commands that are parsed ahead
	mostRead    = 256 << 10 // bytes that are read at once: megabytes take the system milliseconds
)

// Reader takes commands from a stream. Next gives what is there, Ahead what Next will give; Fill reads more, which makes the
// arguments of earlier commands invalid.
type Reader struct {
	src    io.Reader
	lim    Limits
	buf    []byte
	r, p   int // bytes that were not taken are buf[r:w], those that were not parsed buf[p:w]
	w      int
	args   [][]byte // of the commands ahead, one behind the other
	ahead  []Call   // parsed and not taken
	first  int      // of ahead
	need   int      // bytes that must be there before parsing is worth trying again
	filled int      // reads in a row that filled the buffer
	small  int      // reads in a row that would have done with a buffer of readBuffer bytes
	// state of a command that is not whole yet, so that none of it is parsed twice
	left  int // arguments that are to come; 0 = between commands
	pos   int // of the next one, from p
	cuts  []int
	taken int
	came  int64
	seen  int // bytes of a line that has no end yet, in which none was found
	// what is behind buf of a command of which much is still to come
	parts     [][]byte
	partBytes int
}

// Call is a command that is whole.
type Call struct {
	Args  [][]byte
	bytes int // that it had
}

// NewReader reads from src.
func NewReader(src io.Reader, lim Limits) *Reader { return &Reader{src: src, lim: lim} }

// Attach has a Reader that holds nothing read from src from now on. Its buffer is as large as that of a client that sends
// much: who reads from many sources, one after the other, has few of them.
func (r *Reader) Attach(src io.Reader, lim Limits) {
	r.src, r.lim = src, lim
	if r.buf == nil {
		r.buf = make([]byte, readBuffer)
	}
}

// Detach leaves a Reader that holds nothing without a source. What Next gave before is invalid then.
func (r *Reader) Detach() {
	r.src = nil
	r.r, r.p, r.w, r.came = 0, 0, 0, 0
	if len(r.buf) > keepBuffer {
		r.buf = nil
		clear(r.args[:cap(r.args)]) // they would hold on to it
	}
}

// Split gives a Reader of its own to a command that is not whole, with little more memory than it has now; r holds nothing
// afterwards. What Next gave before is invalid then.
func (r *Reader) Split() *Reader {
	r.again()
	own := *r
	own.args, own.ahead, own.first, own.filled, own.small = nil, nil, 0, 0, 0
	n := r.w - r.r
	size := leastOwn
	for size <= n {
		size *= 2
	}
	own.buf = make([]byte, size)
	copy(own.buf, r.buf[r.r:r.w])
	own.r, own.p, own.w = 0, r.p-r.r, n
	*r = Reader{buf: r.buf, args: r.args[:0], ahead: r.ahead[:0]}
	r.Detach()
	return &own
}

// SetLimits changes the bounds of commands that are not parsed yet.
func (r *Reader) SetLimits(lim Limits) { r.lim = lim }

// Buffered is how many bytes were read and not taken.
func (r *Reader) Buffered() int { return r.w - r.r + r.partBytes }

// Taken is how many bytes the last command had.
func (r *Reader) Taken() int { return r.taken }

// Came is how many bytes were read since it was asked last.
func (r *Reader) Came() int64 {
	n := r.came
	r.came = 0
	return n
}

// Held is how much memory the reader has.
func (r *Reader) Held() int {
	n := cap(r.buf)
	for _, part := range r.parts {
		n += cap(part)
	}
	return n
}

// Fill reads once from the source. It makes room as data comes in, so that a length that lies costs nothing. What Next
// gave before is invalid then.
func (r *Reader) Fill() error {
	r.again()
	if r.long() {
		n, err := r.readPart()
		return r.read(n, err)
	}
	r.room()
	space := r.buf[r.w:min(len(r.buf), r.w+mostRead)]
	n, err := r.src.Read(space)
	r.w += n
	if n == len(space) {
		r.filled++
	} else {
		r.filled = 0
	}
	if r.w <= readBuffer {
		r.small++
	} else {
		r.small = 0
	}
	return r.read(n, err)
}

// read counts what was read; an error if it is nothing.
func (r *Reader) read(n int, err error) error {
	r.came += int64(n)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err //nolint:wrapcheck // as an io.Reader's
}

// again has what was parsed and not taken parsed once more: it is about to move.
func (r *Reader) again() {
	if r.first == len(r.ahead) {
		return
	}
	clear(r.ahead)
	r.ahead, r.first = r.ahead[:0], 0
	r.p = r.r
	r.left, r.pos, r.need, r.seen = 0, 0, 0, 0
	r.cuts = r.cuts[:0]
}

func (r *Reader) room() {
	if r.r == r.w {
		r.r, r.p, r.w = 0, 0, 0
		if len(r.buf) > keepBuffer || len(r.buf) > readBuffer && r.small > manySmall {
			r.buf = nil
			clear(r.args[:cap(r.args)]) // what is kept of earlier commands would hold on to the buffer
		}
	}
	if r.buf == nil {
		r.buf = make([]byte, startBuffer)
	}
	if r.r > 0 && (r.w == len(r.buf) || r.need > len(r.buf)-r.r) {
		copy(r.buf, r.buf[r.r:r.w])
		r.w -= r.r
		r.r, r.p = 0, 0
	}
	switch {
	case r.w == len(r.buf):
		r.grow(2 * len(r.buf))
	case r.w == 0 && r.filled > 1 && len(r.buf) < readBuffer:
		r.grow(readBuffer)
	}
}

func (r *Reader) grow(n int) {
	b := make([]byte, n)
	r.move(b, 0, r.buf[:r.w])
	r.buf = b
	clear(r.args[:cap(r.args)])
}

// Next takes the next command. Its arguments lie in the buffer until Fill is called. Empty lines and arrays without elements
// are passed over. The error is ErrIncomplete or a *ProtocolError.
func (r *Reader) Next() ([][]byte, error) {
	if r.first == len(r.ahead) {
		if err := r.parse(1); err != nil {
			return nil, err
		}
	}
	call := r.ahead[r.first]
	r.ahead[r.first] = Call{} // it may be large
	r.first++
	r.r += call.bytes
	if r.first == len(r.ahead) {
		r.r = r.p
	}
	r.taken = call.bytes
	return call.Args, nil
}

// Ahead gives the commands that Next will give, up to n of them and few if they are large. They are valid until Next or Fill is
// called. What is wrong behind them is Next's to say.
func (r *Reader) Ahead(n int) []Call {
	if r.first == len(r.ahead) {
		_ = r.parse(n) // Next meets it again
	}
	return r.ahead[r.first:]
}

// parse parses up to n commands, when none is ahead; an error if there is not even one.
func (r *Reader) parse(n int) error {
	r.ahead, r.args, r.first = r.ahead[:0], r.args[:0], 0
	for from := r.r; len(r.ahead) < n && r.p-r.r < mostAhead; from = r.p {
		args, err := r.command()
		if err != nil {
			if len(r.ahead) == 0 {
				r.r = r.p // of empty lines nothing is left
				return err
			}
			return nil
		}
		r.ahead = append(r.ahead, Call{Args: args, bytes: r.p - from})
	}
	return nil
}

// command parses one.
func (r *Reader) command() ([][]byte, error) {
	for {
		if r.left == 0 {
			begun, args, err := r.begin()
			if err != nil {
				return nil, err
			}
			if args != nil {
				return args, nil
			}
			if !begun {
				continue
			}
		}
		return r.bulks()
	}
}

// begin reads the head of a command: true if arguments follow, or an inline command whole.
func (r *Reader) begin() (begun bool, args [][]byte, err error) {
	r.need = 0
	line, after, err := r.line(r.p)
	if err != nil {
		return false, nil, err
	}
	if len(line) == 0 || line[0] != '*' {
		args, err := splitInline(line, r.args[len(r.args):])
		if err != nil {
			return false, nil, err
		}
		r.p = after
		if len(args) == 0 {
			return false, nil, nil
		}
		return false, r.kept(args), nil
	}
	n, ok := number(line[1:])
	if !ok || n > int64(r.lim.Args) {
		if ok && r.lim.Args < Full.Args {
			return false, nil, &ProtocolError{"unauthenticated multibulk length"}
		}
		return false, nil, &ProtocolError{"invalid multibulk length"}
	}
	if n <= 0 {
		r.p = after
		return false, nil, nil
	}
	r.left, r.pos = int(n), after-r.p
	r.cuts = r.cuts[:0]
	return true, nil, nil
}

// bulks reads the arguments that are still to come.
func (r *Reader) bulks() ([][]byte, error) {
	for r.left > 0 {
		line, after, err := r.line(r.p + r.pos)
		if err != nil {
			return nil, err
		}
		if len(line) == 0 || line[0] != '$' {
			got := byte(' ')
			if len(line) > 0 {
				got = line[0]
			}
			return nil, &ProtocolError{fmt.Sprintf("expected '$', got '%c'", got)}
		}
		n, ok := number(line[1:])
		if !ok || n < 0 || n > int64(r.lim.Bulk) {
			if ok && n > int64(r.lim.Bulk) && r.lim.Bulk < Full.Bulk {
				return nil, &ProtocolError{"unauthenticated bulk length"}
			}
			return nil, &ProtocolError{"invalid bulk length"}
		}
		end := after + int(n) + 2
		if r.lim.Total > 0 && end-r.p > r.lim.Total {
			return nil, &ProtocolError{"unauthenticated command too large"}
		}
		if end > r.w {
			r.need = end - r.p
			return nil, ErrIncomplete
		}
		if len(r.cuts) == cap(r.cuts) {
			r.growCuts()
		}
		r.cuts = append(r.cuts, after-r.p, after-r.p+int(n))
		r.pos = end - r.p
		r.left--
	}
	args := r.args[len(r.args):]
	if n := len(r.cuts) / 2; n > maxArgs {
		args = make([][]byte, 0, n) // growing on, a million would be copied as often as they double, and by the collector's rules
	}
	for i := 0; i < len(r.cuts); i += 2 {
		args = append(args, r.buf[r.p+r.cuts[i]:r.p+r.cuts[i+1]:r.p+r.cuts[i+1]])
	}
	args = r.kept(args)
	r.p += r.pos
	r.pos, r.need = 0, 0
	if cap(r.cuts) > 4*maxArgs {
		r.cuts = nil
	}
	return args, nil
}

// kept has the arguments of the next command lie behind those of this one.
func (r *Reader) kept(args [][]byte) [][]byte {
	if n := len(r.args); n+len(args) <= cap(r.args) {
		r.args = r.args[:n+len(args)]
	} else { // these lie somewhere else
		r.args = make([][]byte, 0, min(2*(cap(r.args)+len(args)), maxArgs))
	}
	return slices.Clip(args)
}

// line gives a line without its end and the offset behind it. Of a line that comes in pieces each is looked through once.
func (r *Reader) line(from int) (line []byte, after int, err error) {
	b := r.buf[from:r.w]
	most := min(len(b), r.lim.Inline+2)
	seen := min(r.seen, most) // the bound may be smaller than it was
	i := bytes.IndexByte(b[seen:most], '\n')
	if i >= 0 {
		end := seen + i
		after = from + end + 1
		r.seen = 0
		if end > 0 && b[end-1] == '\r' {
			end--
		}
		if end <= r.lim.Inline {
			return b[:end], after, nil
		}
	}
	if i < 0 && len(b) < r.lim.Inline+2 {
		r.seen = len(b)
		return nil, 0, ErrIncomplete
	}
	switch {
	case r.left > 0:
		return nil, 0, &ProtocolError{"too big bulk count string"}
	case b[0] == '*':
		return nil, 0, &ProtocolError{"too big mbulk count string"}
	}
	return nil, 0, &ProtocolError{"too big inline request"}
}

// number parses a decimal integer as the protocol has it: digits with a sign, nothing else.
func number(b []byte) (int64, bool) {
	neg := len(b) > 0 && b[0] == '-'
	if neg {
		b = b[1:]
	}
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if n > math.MaxInt64 {
		return 0, false
	}
	if neg {
		return -int64(n), true
	}
	return int64(n), true
}
