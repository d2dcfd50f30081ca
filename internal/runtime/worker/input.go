package worker

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// input is what a guest reads: the parts of a recording, all of them in one file. Offsets count as if they lay there back
// to back in their order.
type input struct {
	file  *os.File
	parts []inPart
	open  int   // the part that is read
	pos   int64 // of the next byte that read gives
	read  int64 // how far reading has come in all parts together: never less, never beyond the file
	short shortReads
}

// inPart is one part. reached is the furthest byte of it that was read.
type inPart struct {
	name                string
	start, end, reached int64
	shift               int64 // from an offset to the place in the file
	opened              bool
}

// onePart is the input of a single file.
func onePart(f *os.File, name string, size int64) input {
	return input{file: f, parts: []inPart{{name: name, end: size, opened: true}}}
}

// newInput is the input of a decode. The serving process has checked the parts; that they fit the size is checked
// again because every read relies on it.
func newInput(f *os.File, job *wire.Decode) (input, error) {
	if len(job.Parts) == 0 {
		in := onePart(f, job.Name, job.Size)
		in.short = newShortReads(job.Reads)
		return in, nil
	}
	in := input{file: f, parts: make([]inPart, len(job.Parts)), short: newShortReads(job.Reads)}
	at := int64(0)
	for i, p := range job.Parts {
		if p.Size < 0 || p.Size > job.Size-at || p.At < 0 {
			return input{}, fmt.Errorf("part %d of the input: %w", i, wire.ErrProtocol)
		}
		in.parts[i] = inPart{name: p.Name, start: at, end: at + p.Size, reached: at, shift: p.At - at}
		at += p.Size
	}
	in.parts[0].opened = true
	return in, nil
}

// reached is the offset that reading has come to in the open part.
func (in *input) reached() int64 { return in.parts[in.open].reached }

// part gives a part by the guest's index, nil = there is none.
func (in *input) part(index uint32) *inPart {
	if uint64(index) >= uint64(len(in.parts)) {
		return nil
	}
	return &in.parts[index]
}

// hostPart copies as much of a part's name as there is room for and gives its whole length. A guest that sniffs is
// shown bytes, not files.
func hostPart(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportPart, modeDecode, modeSniff)
	dst := c.bytes(mem, abi.ImportPart, arg(stack, 1), arg(stack, 2))
	p := c.in.part(arg(stack, 0))
	if p == nil || c.mode == modeSniff {
		give(stack, abi.Refused)
		return
	}
	copy(dst, p.name)
	give(stack, int32(min(len(p.name), 1<<30)))
}

func hostOpenPart(c *call, _ []byte, stack []uint64) {
	c.need(abi.ImportOpenPart, modeDecode, modeSniff)
	p := c.in.part(arg(stack, 0))
	if p == nil || c.mode == modeSniff {
		give(stack, abi.Refused)
		return
	}
	c.in.open, c.in.pos, p.opened = int(arg(stack, 0)), p.start, true
	give(stack, abi.DecodeOK)
}

func hostRead(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportRead, modeDecode, modeSniff)
	b := c.bytes(mem, abi.ImportRead, arg(stack, 0), arg(stack, 1))
	end := c.in.parts[c.in.open].end
	if c.mode == modeSniff {
		end = min(end, abi.SniffHead)
	}
	n := c.pread(c.in.short.cut(b), c.in.pos, end)
	c.in.pos += int64(n)
	c.advance(c.in.pos, n)
	give(stack, int32(n))
}

func hostReadAt(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportReadAt, modeDecode, modeSniff)
	b := c.bytes(mem, abi.ImportReadAt, arg(stack, 1), arg(stack, 2))
	off := int64(stack[0])
	if !c.seek || off < 0 {
		give(stack, abi.Refused)
		return
	}
	p := &c.in.parts[c.in.open]
	size := p.end - p.start
	from, end := min(off, size), size
	if c.mode == modeSniff && from < abi.SniffHead { // the head, or the tail
		end = min(end, abi.SniffHead)
	} else if c.mode == modeSniff && from < size-abi.SniffTail {
		end = from
	}
	n := c.pread(b, p.start+from, p.start+end)
	c.advance(p.start+from+int64(n), n)
	give(stack, int32(n))
}

// advance notes that n bytes up to an offset of the open part were read.
func (c *call) advance(to int64, n int) {
	if n == 0 || c.mode != modeDecode {
		return
	}
	p := &c.in.parts[c.in.open]
	if to > p.reached {
		c.in.read += to - p.reached
		p.reached = to
	}
	c.page.Read(c.in.read)
}

// pread reads bytes of the open part, up to end.
func (c *call) pread(b []byte, off, end int64) int {
	if off >= end {
		return 0
	}
	b = b[:min(int64(len(b)), end-off, 1<<30)]
	off += c.in.parts[c.in.open].shift
	for {
		n, err := unix.Pread(int(c.in.file.Fd()), b, off)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			c.breakOff(errcode.Internal, "reading the input failed: "+err.Error())
		}
		return n
	}
}

// hostSize gives the size of the open part.
func hostSize(c *call, _ []byte, stack []uint64) {
	c.need(abi.ImportSize, modeDecode, modeSniff)
	if !c.seek {
		stack[0] = 1<<64 - 1 // abi.Refused as an i64
		return
	}
	p := &c.in.parts[c.in.open]
	stack[0] = uint64(p.end - p.start)
}

// reportUnopened adds a fatal issue where a guest ended well without having opened every part: one that knows nothing of
// parts would else lose all but the first of them, and the decode would pass for whole.
func (c *call) reportUnopened(err error, ret int32) {
	if err != nil || ret != abi.DecodeOK || c.end != nil || c.broken != nil || c.fatal != nil {
		return
	}
	left, first := 0, int64(0)
	for i := range c.in.parts {
		if p := &c.in.parts[i]; !p.opened && p.end > p.start {
			if left++; left == 1 {
				first = p.start
			}
		}
	}
	if left > 0 {
		c.fatal = &wire.Verdict{
			Code: errcode.Unsupported, Message: fmt.Sprintf("the decoder did not read %d of the %d parts", left, len(c.in.parts)), Offset: &first,
		}
		c.out.issues.unopened(c.fatal)
	}
}
