// Package wire is what the serving process and its workers say to each other: messages over a unix SEQPACKET socket,
// descriptors that travel with them, and a page of shared memory with the counters of a running decode.
//
// It is apart because the two sides never import each other. A message is {version, kind, flags} in three bytes and
// a body in JSON: encoding and parsing one takes about 5 µs, against 1 ms for the smallest decode. A body too large
// for a packet travels in a memory file. The serving process treats everything a worker sends as hostile: kinds,
// sizes and descriptors are checked here, what is said in package runtime, and a worker whose message does not parse is killed.
//
// The package owns no goroutine. A Conn may be written by several goroutines and read by one.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	version   = 1
	headBytes = 3

	flagSpilled = 1 // the body is in the last descriptor

	// packetBytes bounds a packet; the kernel's default send buffer holds three of them.
	packetBytes = 64 << 10
	// MaxBody bounds a message's body.
	MaxBody = 16 << 20
	// MaxFiles bounds the descriptors of one message.
	MaxFiles = 64
)

// Descriptors that a worker finds open when it starts.
const (
	SocketFD = 3
	PageFD   = 4
)

// Kind is the kind of a message.
type Kind byte

// Kinds of messages. → goes to the worker, ← comes from it.
const (
	KindSetup    Kind = iota + 1 // → Setup and the module: the first message
	KindReady                    // ← Ready
	KindDecode                   // → Decode and the input
	KindDeclare                  // ← Declare: a table found at run time
	KindOpen                     // ← Open: a table's first batch has come
	KindOpened                   // → Opened and the file
	KindLog                      // ← Log
	KindDone                     // ← Done: the end of a decode
	KindSniff                    // → Sniff and the input
	KindSniffed                  // ← Sniffed
	KindCompiled                 // ← Compiled: the end of a compile worker
	KindChild                    // ← Child: a sub-file begins; answered by Opened with its file
	KindChildEnd                 // ← ChildEnd: a sub-file is complete
	KindUnpack                   // → Unpack, the input and the output
	KindUnpacked                 // ← Unpacked
	KindVectors                  // ← Vectors: a compile worker asks for the golden vectors' decodes
	KindGolden                   // → Golden
	KindStep                     // ← Begun: what a compile worker is at
	kindEnd
)

// ErrProtocol reports a message that does not follow the protocol.
var ErrProtocol = errors.New("wire: broken protocol")

// Message is a received message. Its files are the receiver's to close.
type Message struct {
	Kind  Kind
	Body  []byte
	Files []*os.File
}

// Decode reads the body into v.
func (m *Message) Decode(v any) error {
	if err := json.Unmarshal(m.Body, v); err != nil {
		return fmt.Errorf("%w: body of message %d: %w", ErrProtocol, m.Kind, err)
	}
	return nil
}

// TakeFile gives the message's only file to the caller, nil if it carries none or several.
func (m *Message) TakeFile() *os.File {
	if len(m.Files) != 1 {
		return nil
	}
	f := m.Files[0]
	m.Files = nil
	return f
}

// Close closes the files that were not taken.
func (m *Message) Close() {
	for _, f := range m.Files {
		_ = f.Close()
	}
	m.Files = nil
}

// Conn is one end of the socket.
type Conn struct {
	sock packets
	buf  []byte
	oob  []byte
}

// packets sends and receives single packets.
type packets interface {
	send(b, oob []byte) error
	recv(b, oob []byte) (n, oobn, flags int, err error)
	deadline(t time.Time) error
	close() error
}

// Pair makes a connected pair: the serving process's end, which honours deadlines, and the worker's, to be inherited.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	child := os.NewFile(uintptr(fds[1]), "worker socket")
	parent := os.NewFile(uintptr(fds[0]), "worker socket")
	defer parent.Close()
	nc, err := net.FileConn(parent)
	if err != nil {
		_ = child.Close()
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	uc, ok := nc.(*net.UnixConn)
	if !ok {
		_, _ = nc.Close(), child.Close()
		return nil, nil, errors.New("make socket pair: not a unix socket")
	}
	return newConn(&polled{uc}), child, nil
}

// Inherited is the worker's end: descriptor fd, read and written by blocking calls, which needs no poller.
func Inherited(fd int) *Conn { return newConn(blocking(fd)) }

func newConn(p packets) *Conn {
	return &Conn{sock: p, buf: make([]byte, packetBytes+1), oob: make([]byte, unix.CmsgSpace(4*(MaxFiles+1)))}
}

// SetDeadline makes a Recv that is not done at t fail with os.ErrDeadlineExceeded; the zero time lifts it.
func (c *Conn) SetDeadline(t time.Time) error { return c.sock.deadline(t) }

// Close closes the socket.
func (c *Conn) Close() error { return c.sock.close() }

// Send sends a message with descriptors. It does not close them.
func (c *Conn) Send(kind Kind, v any, files ...*os.File) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("send message %d: %w", kind, err)
	}
	fds := make([]int, 0, MaxFiles+1)
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	packet := append(make([]byte, 0, headBytes+len(body)), version, byte(kind), 0)
	if headBytes+len(body) > packetBytes {
		spill, err := spilled(body)
		if err != nil {
			return fmt.Errorf("send message %d: %w", kind, err)
		}
		defer spill.Close()
		fds = append(fds, int(spill.Fd()))
		packet[2] = flagSpilled
	} else {
		packet = append(packet, body...)
	}
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if err := c.sock.send(packet, oob); err != nil {
		return fmt.Errorf("send message %d: %w", kind, err)
	}
	return nil
}

// spilled puts a body into a memory file.
func spilled(body []byte) (*os.File, error) {
	f, err := MemFile("wayside-message", body)
	if err != nil {
		return nil, fmt.Errorf("spill body of %d bytes: %w", len(body), err)
	}
	return f, nil
}

// MemFile returns an anonymous file in memory that holds data, positioned at its start.
func MemFile(name string, data []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	f := os.NewFile(uintptr(fd), name)
	if _, err := f.WriteAt(data, 0); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write memory file: %w", err)
	}
	return f, nil
}

// Recv receives the next message. At the other end's close it is io.EOF, at the deadline os.ErrDeadlineExceeded.
func (c *Conn) Recv() (*Message, error) {
	n, oobn, flags, err := c.sock.recv(c.buf, c.oob)
	files, ferr := parseFiles(c.oob[:max(oobn, 0)])
	m := &Message{Files: files}
	if err == nil {
		err = ferr
	}
	if err == nil && flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		err = fmt.Errorf("%w: message was cut", ErrProtocol)
	}
	if err == nil {
		err = m.parse(c.buf[:n])
	}
	if err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// parse reads a packet; the body is copied.
func (m *Message) parse(b []byte) error {
	if len(b) < headBytes || b[0] != version || b[1] == 0 || Kind(b[1]) >= kindEnd || b[2]&^flagSpilled != 0 {
		return fmt.Errorf("%w: head of %d bytes", ErrProtocol, len(b))
	}
	m.Kind = Kind(b[1])
	if b[2]&flagSpilled != 0 {
		if err := m.unspill(); err != nil {
			return err
		}
	} else {
		m.Body = append([]byte(nil), b[headBytes:]...)
	}
	if len(m.Files) > MaxFiles {
		return fmt.Errorf("%w: %d descriptors", ErrProtocol, len(m.Files))
	}
	return nil
}

// unspill reads the body from the last file. Only a regular file of a known size is read: a pipe could block for ever.
func (m *Message) unspill() error {
	if len(m.Files) == 0 {
		return fmt.Errorf("%w: spilled body without a descriptor", ErrProtocol)
	}
	f := m.Files[len(m.Files)-1]
	m.Files = m.Files[:len(m.Files)-1]
	defer f.Close()
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() || st.Size() > MaxBody {
		return fmt.Errorf("%w: spilled body is no file or too large", ErrProtocol)
	}
	m.Body = make([]byte, st.Size())
	if _, err := f.ReadAt(m.Body, 0); err != nil {
		return fmt.Errorf("%w: read spilled body: %w", ErrProtocol, err)
	}
	return nil
}

func parseFiles(oob []byte) ([]*os.File, error) {
	if len(oob) == 0 {
		return nil, nil
	}
	cmsgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("%w: control message: %w", ErrProtocol, err)
	}
	var files []*os.File
	for i := range cmsgs {
		fds, err := unix.ParseUnixRights(&cmsgs[i])
		if err != nil {
			return files, fmt.Errorf("%w: control message: %w", ErrProtocol, err)
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "passed"))
		}
	}
	return files, nil
}
