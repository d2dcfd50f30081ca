package worker

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/wayside-edge/wayside/internal/archive"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
)

// outputBuffer is how much is unpacked before it is written.
const outputBuffer = 256 << 10

// unpackRole unwraps files until the serving process closes the socket. It is shut in like a decode worker that has
// loaded its module: what it reads and writes are the descriptors it is given.
func unpackRole(sock *wire.Conn, page *wire.Page, setup *wire.Setup, conf *confinement) error {
	if setup.Sandbox {
		confineFiles(conf)
		confineCalls(conf, wire.RoleUnpack)
	}
	if err := sock.Send(wire.KindReady, wire.Ready{Confinement: conf.Confinement}); err != nil {
		return fmt.Errorf("get ready: %w", err)
	}
	var held heap
	for {
		m, err := sock.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for work: %w", err)
		}
		begin := time.Now()
		err = unpackOne(sock, page, m)
		m.Close()
		held.after(time.Since(begin))
		if err != nil {
			return err
		}
	}
}

// unpackOne serves one message.
func unpackOne(sock *wire.Conn, page *wire.Page, m *wire.Message) error {
	var job wire.Unpack
	if m.Kind != wire.KindUnpack || len(m.Files) != 2 {
		return fmt.Errorf("wait for work: %w: kind %d", wire.ErrProtocol, m.Kind)
	}
	if err := m.Decode(&job); err != nil {
		return fmt.Errorf("wait for work: %w", err)
	}
	page.Begin()
	out := unpack(&job, m.Files[0], m.Files[1], page)
	page.SetPhase(wire.PhaseIdle)
	m.Close() // who is told of the end may look whether the files are let go of
	if err := sock.Send(wire.KindUnpacked, out); err != nil {
		return fmt.Errorf("report what was unpacked: %w", err)
	}
	return nil
}

// unpack unwraps a file.
func unpack(job *wire.Unpack, in, out *os.File, page *wire.Page) wire.Unpacked {
	s := &unpackSink{heads: job.Heads, room: job.Room, out: bufio.NewWriterSize(out, outputBuffer)}
	lim := archive.Limits{Ratio: job.Ratio, Base: job.Base, Most: job.Most, Entries: job.Entries}
	res, err := archive.Unpack(&progress{in: in, size: job.Size, page: page}, job.Size, lim, s)
	if err == nil {
		s.end()
		err = s.flush()
	}
	answer := wire.Unpacked{
		Wrapped: string(res.Kind), Bundle: res.Bundle(), Parts: s.parts, Written: s.written, Hidden: res.Hidden,
		Cost: max(res.Cost, s.taken),
	}
	for _, d := range res.Damage {
		answer.Damage = append(answer.Damage, wire.Damage{Code: d.Code, Message: d.Text, At: d.At, Ignored: d.Ignored})
	}
	if err != nil { // of the last part, not all that counts was written
		answer.Parts = nil
	}
	refusal, refused := errors.AsType[*errcode.Error](err)
	switch {
	case err == nil:
	case refused:
		answer.Refused = &wire.Verdict{Code: refusal.Code, Message: refusal.Text}
	case disk.IsNoSpace(err), errors.Is(err, errNoRoom):
		answer.Failed = &wire.Verdict{Code: errcode.DiskFull, Message: err.Error()}
	default:
		answer.Failed = &wire.Verdict{Code: errcode.Internal, Message: err.Error()}
	}
	return answer
}

// progress is the input; it tells the serving process how much of it was read.
type progress struct {
	in   io.ReaderAt
	size int64
	read int64
	page *wire.Page
}

// ReadAt reads from the input.
func (p *progress) ReadAt(b []byte, off int64) (int, error) {
	n, err := p.in.ReadAt(b, off)
	p.read = min(p.read+int64(n), p.size)
	p.page.Read(p.read)
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// unpackSink writes what is unpacked.
type unpackSink struct {
	out     *bufio.Writer
	heads   int64 // 0 = everything is written
	room    int64 // bytes that may be written, 0 = all
	parts   []wire.UnpackedPart
	hash    hash.Hash // of the last part
	written int64
	taken   int64 // also what was not written
}

// errNoRoom ends an unpacking that would take more of the disk than it was given.
var errNoRoom = errors.New("what is unpacked does not fit the free space of the disk")

// Begin begins a part.
func (s *unpackSink) Begin(name string) error {
	s.end()
	s.parts = append(s.parts, wire.UnpackedPart{Name: name})
	if s.hash == nil {
		s.hash = sha256.New()
	}
	s.hash.Reset()
	return nil
}

// end completes the last part.
func (s *unpackSink) end() {
	if n := len(s.parts); n > 0 {
		s.parts[n-1].SHA256 = hex.EncodeToString(s.hash.Sum(nil))
	}
}

// Write takes bytes of the stream, or of the last part.
func (s *unpackSink) Write(b []byte) (int, error) {
	keep := b
	if n := len(s.parts); n > 0 {
		p := &s.parts[n-1]
		s.hash.Write(b)
		if s.heads > 0 {
			keep = b[:min(int64(len(b)), s.heads-p.Kept)]
		}
		p.Size += int64(len(b))
		p.Kept += int64(len(keep))
	} else if s.heads > 0 {
		keep = b[:min(int64(len(b)), s.heads-s.written)]
	}
	s.taken += int64(len(b))
	if s.room > 0 && int64(len(keep)) > s.room-s.written {
		return 0, errNoRoom
	}
	n, err := s.out.Write(keep)
	s.written += int64(n)
	if err != nil {
		return n, fmt.Errorf("write: %w", err)
	}
	if len(s.parts) == 0 && s.heads > 0 && s.written >= s.heads {
		return len(b), archive.ErrStop
	}
	return len(b), nil
}

func (s *unpackSink) flush() error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("write unpacked bytes: %w", err)
	}
	return nil
}
