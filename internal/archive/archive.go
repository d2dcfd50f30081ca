// Package archive owns the unpacking of recordings that came wrapped: gzip and zstd streams, zip and tar archives, and
// tar archives in either stream. It streams, within limits, and what it refuses it refuses with a reason.
//
// It is apart because it parses what nobody has checked: only worker processes call it, shut in as decoders are, never
// the serving process. Nothing here writes a file or follows a name: names of entries are labels, and still those that
// would lead out of a folder are refused, so that no later program can be led astray by them.
//
// Damage is not refusal. A stream that was cut off keeps what came before the cut, an archive keeps the entries that can
// be read; Result says what is missing. An archive is refused as a whole where reading on would be wrong: names that
// are no names of files in a folder, links, entries of one name, and far more bytes than the file can sensibly hold.
//
// The package starts no goroutine and keeps no state.
package archive

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// Kind is how a file is wrapped.
type Kind string

// Kinds. A tar archive within a gzip or zstd stream is a Tar.
const (
	Gzip Kind = "gzip"
	Zstd Kind = "zstd"
	Zip  Kind = "zip"
	Tar  Kind = "tar"
)

// Limits bound one unpacking.
type Limits struct {
	Ratio   int64 // unpacked bytes for each packed one
	Base    int64 // plus
	Most    int64 // whatever the ratio allows; 0 = as much as that
	Entries int   // of an archive, folders included
}

// Sink takes what is unpacked. An error of its methods ends the unpacking and is what Unpack returns.
type Sink interface {
	// Begin begins an entry of an archive: a regular file, whose name is clean, relative and not seen before. It is not
	// called for a stream that is no archive.
	Begin(name string) error
	io.Writer
}

// ErrStop is returned by a Sink that has what it wants: Unpack ends well.
var ErrStop = errors.New("enough was unpacked")

// Damage is something that is wrong with the input. What was unpacked before it is good.
type Damage struct {
	Code    errcode.Code
	Text    string
	At      int64 // how many bytes the sink had taken
	Ignored bool  // nothing is lost by it
}

// maxDamage bounds the list of a Result.
const maxDamage = 100

// Result says what was unpacked.
type Result struct {
	Kind    Kind  // "" = the input is not wrapped
	Hidden  int   // regular files that were passed over: hidden ones and those that systems leave in folders
	Stopped bool  // the sink had enough
	Cost    int64 // bytes that came out of the packed input, whether the sink took them or not
	Damage  []Damage
}

// Bundle reports whether entries of an archive were unpacked, not a stream.
func (r *Result) Bundle() bool { return r.Kind == Zip || r.Kind == Tar }

// Unpack unpacks a file of size bytes. An error with a code of errcode is a refusal: what the sink took is to be dropped.
// Any other error is the sink's, or that of reading src.
func Unpack(src io.ReaderAt, size int64, lim Limits, sink Sink) (Result, error) {
	head := make([]byte, min(size, headBytes))
	if _, err := src.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return Result{}, fmt.Errorf("read input: %w", err)
	}
	u := &unpacker{sink: sink, left: lim.Base + lim.Ratio*size, lim: lim, source: &source{r: src}}
	u.res.Kind = Detect(head)
	if lim.Most > 0 {
		u.left = min(u.left, lim.Most)
	}
	in := io.NewSectionReader(u.source, 0, size)
	var err error
	switch u.res.Kind {
	case Gzip:
		err = u.stream(&gzipReader{br: bufio.NewReaderSize(in, readBytes), note: u.ignore})
	case Zstd:
		err = u.zstd(bufio.NewReaderSize(in, readBytes))
	case Zip:
		err = u.zip(size)
	case Tar:
		err = u.tar(bufio.NewReaderSize(in, readBytes))
	}
	for i := range u.res.Damage {
		if d := &u.res.Damage[i]; d.Ignored { // it was noted when the reader met it, ahead of the sink
			d.At = u.taken
		}
	}
	switch {
	case u.source.err != nil:
		return u.res, fmt.Errorf("read input: %w", u.source.err)
	case errors.Is(err, ErrStop):
		u.res.Stopped = true
	case err != nil:
		return u.res, err
	}
	return u.res, nil
}

const (
	headBytes = 512 // what Detect looks at
	readBytes = 64 << 10
	copyBytes = 128 << 10
)

// source is the input. It keeps an error of reading apart from what the parsers make of it.
type source struct {
	r   io.ReaderAt
	err error
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

// unpacker is one unpacking.
type unpacker struct {
	source *source
	sink   Sink
	lim    Limits
	left   int64 // bytes that may still be unpacked
	taken  int64 // bytes that the sink has taken
	buf    []byte
	res    Result
	names  names
}

// unpacked counts bytes that came out of the packed input, whether anybody wants them or not.
func (u *unpacker) unpacked(n int) error {
	u.res.Cost += int64(n)
	if u.left -= int64(n); u.left >= 0 {
		return nil
	}
	if u.lim.Most > 0 && u.res.Cost > u.lim.Most {
		return errcode.Newf(errcode.OutputLimit, "it unpacks to more than the %d bytes that are left for looking into it", u.lim.Most)
	}
	return errcode.Newf(errcode.OutputLimit,
		"it unpacks to more than %d times its size and %d bytes: it is refused as a bomb", u.lim.Ratio, u.lim.Base)
}

// damaged notes damage; err is what a parser said of it.
func (u *unpacker) damaged(what string, err error) {
	code, text := errcode.CorruptRecord, what+" is damaged: "+plain(err)
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		code, text = errcode.Truncated, what+" was cut off"
	}
	u.note(Damage{Code: code, Text: text, At: u.taken})
}

// ignore notes what nothing is lost by.
func (u *unpacker) ignore(text string) {
	u.note(Damage{Code: errcode.CorruptRecord, Text: text, Ignored: true})
}

func (u *unpacker) note(d Damage) {
	if len(u.res.Damage) < maxDamage {
		u.res.Damage = append(u.res.Damage, d)
	}
}

// sinkError is an error of the sink, so that no parser takes it for one of the input.
type sinkError struct{ err error }

func (e *sinkError) Error() string { return "write unpacked bytes: " + e.err.Error() }
func (e *sinkError) Unwrap() error { return e.err }

// begin begins an entry, counting it and checking its name. skip = it is passed over.
func (u *unpacker) begin(name string) (skip bool, err error) {
	if err := u.names.add(name); err != nil {
		return false, err
	}
	if hidden(name) {
		u.res.Hidden++
		return true, nil
	}
	if err := u.sink.Begin(name); err != nil {
		return false, &sinkError{err}
	}
	return false, nil
}

// counted is the limit of entries, folders included.
func (u *unpacker) counted(n int) error {
	if n > u.lim.Entries {
		return errcode.Newf(errcode.OutputLimit, "the archive has more than %d entries", u.lim.Entries)
	}
	return nil
}

// copy passes r on to the sink, or drops it. ended is how r ended, nil = well; err ends everything.
func (u *unpacker) copy(r io.Reader, drop, count bool) (ended, err error) {
	if u.buf == nil {
		u.buf = make([]byte, copyBytes)
	}
	for {
		n, rerr := r.Read(u.buf)
		if n > 0 {
			if count {
				if err := u.unpacked(n); err != nil {
					return nil, err
				}
			}
			if !drop {
				w, werr := u.sink.Write(u.buf[:n])
				u.taken += int64(w)
				if werr != nil {
					return nil, &sinkError{werr}
				}
			}
		}
		switch {
		case errors.Is(rerr, io.EOF) && !errors.Is(rerr, io.ErrUnexpectedEOF):
			return nil, nil
		case fatal(rerr) != nil:
			return nil, fatal(rerr)
		case rerr != nil:
			return rerr, nil
		}
	}
}

// fatal gives the refusal or the sink's error in an error that a parser passed through, nil if it is none of them.
func fatal(err error) error {
	if e, ok := errors.AsType[*errcode.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*sinkError](err); ok {
		return e
	}
	return nil
}
