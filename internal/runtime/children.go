package runtime

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Codes of the issues that say why sub-files were left out: they lie too deep inside each other, or there are too many.
const (
	ChildDepth = wire.ChildDepth
	ChildLimit = wire.ChildLimit
)

// Child is a sub-file: a whole file that a decoder found inside its input.
type Child struct {
	Index int    // as Request.CreateChild was given it
	Name  string // without folders, fit to be shown
	Size  int64  // as the worker says; the file tells
}

// children are the sub-files of an attempt, as the worker tells of them. It is not trusted: what does not follow the
// protocol ends it.
type children struct {
	list []childFile
}

type childFile struct {
	Child
	closed bool
}

func (a *attempt) childRule() wire.ChildRule {
	r := wire.ChildRule{Refuse: a.req.RefuseChildren, Max: a.limits.Children, Bytes: a.limits.ChildBytes}
	if a.req.CreateChild == nil {
		r.Max = 0
	}
	return r
}

// child handles what the worker says about sub-files.
func (a *attempt) child(w *proc, m *wire.Message) error {
	if m.Kind == wire.KindChildEnd {
		var c wire.ChildEnd
		if err := m.Decode(&c); err != nil {
			return err //nolint:wrapcheck // says what it is
		}
		return a.children.close(c)
	}
	var c wire.Child
	if err := m.Decode(&c); err != nil {
		return err //nolint:wrapcheck // says what it is
	}
	if rule := a.childRule(); rule.Refuse != "" || c.Index != len(a.children.list) || c.Index >= rule.Max || len(c.Name) > 3*abi.MaxChildName {
		return fmt.Errorf("sub-file %d: %w", c.Index, wire.ErrProtocol)
	}
	a.children.list = append(a.children.list, childFile{Child: Child{Index: c.Index, Name: ChildName(c.Name)}})
	f, err := a.req.CreateChild(c.Index)
	if err != nil {
		return w.sock.Send(wire.KindOpened, wire.Opened{Code: a.noFile(err)}) //nolint:wrapcheck // the caller tells
	}
	err = w.sock.Send(wire.KindOpened, wire.Opened{}, f)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("close file of sub-file: %w", cerr)
	}
	return err //nolint:wrapcheck // the caller tells
}

func (c *children) close(m wire.ChildEnd) error {
	if m.Index < 0 || m.Index >= len(c.list) || c.list[m.Index].closed || m.Size < 0 {
		return fmt.Errorf("end of sub-file %d: %w", m.Index, wire.ErrProtocol)
	}
	c.list[m.Index].closed, c.list[m.Index].Size = true, m.Size
	return nil
}

// whole gives the sub-files that are complete.
func (c *children) whole() []Child {
	var out []Child
	for _, f := range c.list {
		if f.closed {
			out = append(out, f.Child)
		}
	}
	return out
}

// ChildName makes a name of what a decoder gives: data from a file, never a path. Folders of either kind of separator
// go, as do control and invisible formatting characters and what is no UTF-8; the rest is cut to abi.MaxChildName bytes.
func ChildName(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	s = s[strings.LastIndexAny(s, `/\`)+1:]
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || slices.Contains([]rune{'\u2028', '\u2029'}, r) {
			return -1
		}
		return r
	}, s)
	s = strings.TrimSpace(s)
	for len(s) > abi.MaxChildName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = strings.TrimSpace(s[:len(s)-n])
	}
	if s == "" || s == "." || s == ".." {
		return "unnamed"
	}
	return s
}
