package worker

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// children are the sub-files that a guest has begun in this decode. They belong to the guest's goroutine.
type children struct {
	list    []*subFile
	open    int   // of list: being written
	bytes   int64 // of those that are not dropped
	refused int64 // asked for and not begun
}

// subFile is a sub-file. Its bytes go through a buffer into a file of the serving process.
type subFile struct {
	name    string
	size    int64
	file    childFile // nil once it is closed or dropped
	buf     *bufio.Writer
	dropped bool
	closed  bool
}

// hostChild begins a sub-file.
func hostChild(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportChild, modeDecode, modeSniff)
	ptr, n := arg(stack, 0), arg(stack, 1)
	if n == 0 || n > abi.MaxChildName {
		c.violate("child: a name has 1 to %d bytes, not %d", abi.MaxChildName, n)
	}
	name := strings.ToValidUTF8(string(c.bytes(mem, abi.ImportChild, ptr, n)), "\uFFFD")
	if !c.child || c.mode == modeSniff {
		give(stack, abi.Refused)
		return
	}
	rule, ch := &c.out.job.Children, &c.out.children
	if rule.Refuse != "" || len(ch.list) >= rule.Max {
		ch.refused++
		give(stack, abi.Refused)
		return
	}
	if ch.open >= abi.MaxOpenChildren {
		c.violate("child: more than %d sub-files are open", abi.MaxOpenChildren)
	}
	f, err := c.out.childFile(len(ch.list), name)
	if err != nil {
		c.breakFor(err)
	}
	ch.list = append(ch.list, &subFile{name: name, file: f, buf: c.out.buffer(f)})
	ch.open++
	give(stack, int32(len(ch.list)-1))
}

// childFile asks the serving process for the file of a sub-file.
func (o *output) childFile(index int, name string) (childFile, error) {
	o.page.SetPhase(wire.PhaseHost)
	defer o.page.SetPhase(wire.PhaseGuest)
	f, err := o.to.child(index, name)
	if err != nil {
		return nil, fmt.Errorf("ask for the file of a sub-file: %w", err)
	}
	return f, nil
}

// hostChildWrite appends to a sub-file.
func hostChildWrite(c *call, mem []byte, stack []uint64) {
	c.need(abi.ImportChildWrite, modeDecode, modeSniff)
	b := c.bytes(mem, abi.ImportChildWrite, arg(stack, 1), arg(stack, 2))
	if !c.child || c.mode == modeSniff {
		give(stack, abi.Refused)
		return
	}
	f := c.openChild(abi.ImportChildWrite, arg(stack, 0))
	if f.dropped {
		give(stack, abi.Refused)
		return
	}
	b = b[:min(len(b), 1<<30)]
	o := c.out
	if n := int64(len(b)); o.children.bytes+n > o.job.Children.Bytes {
		c.drop(f)
		o.issue(c, abi.Warning, -1, wire.ChildSize, fmt.Sprintf(
			"sub-file %q was left out: all together would have more than %d bytes", f.name, o.job.Children.Bytes))
		give(stack, abi.Refused)
		return
	}
	c.count(int64(len(b)))
	o.children.bytes += int64(len(b))
	f.size += int64(len(b))
	o.page.SetPhase(wire.PhaseHost)
	_, err := f.buf.Write(b)
	o.page.SetPhase(wire.PhaseGuest)
	if err != nil {
		c.breakFor(fmt.Errorf("write sub-file: %w", err))
	}
	if len(b) > 0 {
		o.page.Wrote()
	}
	give(stack, int32(len(b)))
}

// hostChildClose completes a sub-file.
func hostChildClose(c *call, _ []byte, stack []uint64) {
	c.need(abi.ImportChildClose, modeDecode, modeSniff)
	if !c.child || c.mode == modeSniff {
		return
	}
	i := arg(stack, 0)
	f := c.openChild(abi.ImportChildClose, i)
	f.closed = true
	c.out.children.open--
	if f.dropped {
		return
	}
	c.page.SetPhase(wire.PhaseHost)
	err := c.out.keepChild(int(i), f)
	c.page.SetPhase(wire.PhaseGuest)
	if err != nil {
		c.breakFor(err)
	}
	c.page.Completed()
	c.step()
}

// openChild gives the sub-file behind a handle.
func (c *call) openChild(what string, handle uint32) *subFile {
	list := c.out.children.list
	if uint64(handle) >= uint64(len(list)) || list[handle].closed {
		c.violate("%s: there is no open sub-file %d", what, int32(handle))
	}
	return list[handle]
}

// keepChild writes what a sub-file's buffer holds and tells the serving process that all of it is there.
func (o *output) keepChild(index int, f *subFile) error {
	err := errors.Join(f.buf.Flush(), f.file.Close())
	o.letGo(f)
	if err == nil {
		err = o.to.childEnd(index, f.size)
	}
	if err != nil {
		return fmt.Errorf("complete sub-file: %w", err)
	}
	return nil
}

// letGo gives a sub-file's buffer back.
func (o *output) letGo(f *subFile) {
	o.buffers.Put(f.buf)
	f.file, f.buf = nil, nil
}

// drop lets go of a sub-file that is not wanted any more, and of its bytes. The guest may not know yet: it stays open.
func (c *call) drop(f *subFile) {
	_ = f.file.Truncate(0) // gives its space back at once; not every file can be cut
	err := f.file.Close()
	c.out.children.bytes -= f.size
	f.dropped = true
	c.out.letGo(f)
	if err != nil {
		c.breakFor(fmt.Errorf("drop sub-file: %w", err))
	}
}

// endChildren completes or drops what the guest has left open, and notes what was left out.
func (c *call) endChildren(good bool) {
	c.page.SetPhase(wire.PhaseHost)
	ch := &c.out.children
	for i, f := range ch.list {
		if f.file == nil {
			continue
		}
		if good && c.broken == nil {
			if err := c.out.keepChild(i, f); err != nil && c.broken == nil {
				c.broken = faultOf(err)
			}
			continue
		}
		_ = f.file.Close() // nobody reads it
		c.out.letGo(f)
		c.out.issues.leftOut(wire.ChildDropped, fmt.Sprintf("sub-file %q was left out: it was not complete when the decode ended", f.name))
	}
	if ch.refused == 0 {
		return
	}
	code, why := wire.ChildLimit, "there are more than may be taken"
	if r := c.out.job.Children.Refuse; r != "" {
		code = r
	}
	if code == wire.ChildDepth {
		why = "they lie too deep inside other files"
	}
	c.out.issues.leftOut(code, fmt.Sprintf("%d sub-files were left out: %s", ch.refused, why))
}
