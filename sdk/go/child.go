package sdk

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// ErrRefused is what Input.Child and Child.Write give where the host takes no more: too many files, too deep inside each
// other, or too large. The host notes in the issues what was left out; a decoder may go on without.
var ErrRefused = errors.New("the host takes no more files from inside this one")

// Files takes the files that a decoder finds inside its input.
type Files interface {
	// Begin gives a file's handle; false = it is not taken.
	Begin(name string) (handle int32, ok bool)
	// Write appends to a file and gives how many bytes it took; false = the file is not taken any more.
	Write(handle int32, p []byte) (int, bool)
	// End completes a file.
	End(handle int32)
}

// Child is a file found inside the input, being written. It implements io.WriteCloser.
type Child struct {
	ses    *session
	handle int32
	closed bool
}

// Child begins a file that was found inside the input. It is kept once it is closed, whatever comes after; one that is
// open when the decoder returns nil is closed then. Its name may come from the input: folders are left out of it, a name
// that is too long is cut, none is "unnamed". At most abi.MaxOpenChildren are open at a time.
//
// It needs capability child, and gives ErrRefused where the host takes no more.
func (in *Input) Child(name string) (*Child, error) {
	s := in.ses
	switch {
	case s.host.Files == nil:
		return nil, errors.New("begin a file found inside the input: capability child was not granted")
	case s.files == abi.MaxOpenChildren:
		return nil, fmt.Errorf("begin a file found inside the input: %d are open already", s.files)
	}
	for len(name) > abi.MaxChildName {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	if name == "" {
		name = "unnamed"
	}
	handle, ok := s.host.Files.Begin(name)
	if !ok {
		return nil, ErrRefused
	}
	s.files++
	return &Child{ses: s, handle: handle}, nil
}

// Write appends to the file.
func (c *Child) Write(p []byte) (int, error) {
	if c.closed {
		return 0, errors.New("write to a file that is closed")
	}
	done := 0
	for done < len(p) {
		n, ok := c.ses.host.Files.Write(c.handle, p[done:])
		if !ok {
			return done, ErrRefused
		}
		done += n
	}
	return done, nil
}

// Close completes the file. More calls have no effect.
func (c *Child) Close() error {
	if !c.closed {
		c.closed = true
		c.ses.files--
		c.ses.host.Files.End(c.handle)
	}
	return nil
}
