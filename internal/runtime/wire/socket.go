package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// sendPatience is how long the serving process waits until there is room for a message. The kernel has room for hundreds
// of them, and a worker asks for one at a time: one that does not read what it asked for must not hold up its decode.
const sendPatience = 2 * time.Second

// polled is the serving process's end, on Go's network poller: no thread waits for an idle worker.
type polled struct{ c *net.UnixConn }

func (p *polled) send(b, oob []byte) error {
	if err := p.c.SetWriteDeadline(time.Now().Add(sendPatience)); err != nil {
		return err //nolint:wrapcheck // Send wraps
	}
	_, _, err := p.c.WriteMsgUnix(b, oob, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) { // not one of Recv, after which it is tried again
		return fmt.Errorf("%w: the other end does not read", ErrProtocol)
	}
	return err //nolint:wrapcheck // Send wraps
}

func (p *polled) recv(b, oob []byte) (n, oobn, flags int, err error) {
	n, oobn, flags, _, err = p.c.ReadMsgUnix(b, oob)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return n, oobn, flags, err //nolint:wrapcheck // Recv is compared with os.ErrDeadlineExceeded and io.EOF
}

func (p *polled) deadline(t time.Time) error { return p.c.SetReadDeadline(t) } //nolint:wrapcheck // plain pass-through
func (p *polled) close() error               { return p.c.Close() }            //nolint:wrapcheck // plain pass-through

// blocking is the worker's end.
type blocking int

func (fd blocking) send(b, oob []byte) error {
	for {
		err := unix.Sendmsg(int(fd), b, oob, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err //nolint:wrapcheck // Send wraps
		}
	}
}

func (fd blocking) recv(b, oob []byte) (n, oobn, flags int, err error) {
	for {
		n, oobn, flags, _, err = unix.Recvmsg(int(fd), b, oob, unix.MSG_CMSG_CLOEXEC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, 0, 0, fmt.Errorf("receive: %w", err)
		case n == 0:
			return 0, oobn, flags, io.EOF
		}
		return n, oobn, flags, nil
	}
}

func (fd blocking) deadline(time.Time) error { return errors.ErrUnsupported }
func (fd blocking) close() error             { return unix.Close(int(fd)) } //nolint:wrapcheck // plain pass-through
