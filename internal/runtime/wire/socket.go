package wire

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// polled is the serving process's end, on Go's network poller: no thread waits for an idle worker.
type polled struct{ c *net.UnixConn }

func (p *polled) send(b, oob []byte) error {
	_, _, err := p.c.WriteMsgUnix(b, oob, nil)
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
