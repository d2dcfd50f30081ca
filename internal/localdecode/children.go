package localdecode

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/internal/runtime"
)

const (
	// childrenShown is how many files found inside an input are named.
	childrenShown = 10
	// insideDir is the folder, beside the tables of an input, of those of the files found inside it. No table has its name.
	insideDir = "inside"
	// maxChildDir bounds the name of a folder that is named after a file found inside another: something may be added.
	maxChildDir = 200
	// childDepth and childTotal are the appliance's defaults: how deep files inside files are decoded, and how many of them
	// inside one input.
	childDepth = 4
	childTotal = 2000
	// inheritedParam is the one parameter that also holds for files found inside: they come from the same clock.
	inheritedParam = "timezone"
)

// nested is an input's place inside another; the zero value is that of an input that was named.
type nested struct {
	depth int
	root  *int // how many more files may be decoded inside the input that was named
}

// places are the folders that are taken, by inputs and by files found inside them.
type places struct {
	mu    sync.Mutex // guards taken
	taken map[string]bool
}

func newPlaces(inputs []input) *places {
	p := &places{taken: map[string]bool{}}
	for i := range inputs {
		p.taken[inputs[i].out] = true
	}
	return p
}

// inside gives the folder of a file found inside an input.
func (p *places) inside(parent, name string) string {
	for len(name) > maxChildDir {
		_, n := utf8.DecodeLastRuneInString(name)
		name = name[:len(name)-n]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return freeName(filepath.Join(parent, insideDir, name), p.taken)
}

// nest is the folder of the files that a running decode finds.
type nest struct{ dir string }

// create makes the file of the i-th; again for the same number, it is empty again.
func (n *nest) create(i int) (*os.File, error) {
	if n.dir == "" {
		dir, err := os.MkdirTemp("", "wayside-decode-")
		if err != nil {
			return nil, fmt.Errorf("make folder for files found inside: %w", err)
		}
		n.dir = dir
	}
	f, err := os.OpenFile(n.path(i), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("make file found inside: %w", err)
	}
	return f, nil
}

func (n *nest) path(i int) string { return filepath.Join(n.dir, strconv.Itoa(i)) }

func (n *nest) remove() {
	if n.dir != "" {
		_ = os.RemoveAll(n.dir)
	}
}

// takeChildren lets a decode find files inside its input, and says which it may not.
func (c *Config) takeChildren(o *outcome, n *nest, out sink, req *runtime.Request) {
	if o.opened = out.opens(); !o.opened {
		req.CreateChild = func(int) (*os.File, error) { return os.OpenFile(os.DevNull, os.O_WRONLY, 0) }
		return
	}
	req.CreateChild = n.create
	if o.in.root == nil {
		left := childTotal
		o.in.root = &left
	}
	switch {
	case o.in.depth >= childDepth:
		req.RefuseChildren = runtime.ChildDepth
	case *o.in.root <= 0:
		req.RefuseChildren = runtime.ChildLimit
	}
}

// decodeInside decodes the files that were found inside an input, one after the other, and what is inside them.
func (c *Config) decodeInside(ctx context.Context, o *outcome, n *nest, out sink, scr *progress.Screen) error {
	if !o.opened {
		return nil
	}
	*o.in.root -= len(o.result.Children)
	for _, found := range o.result.Children {
		in := input{
			path: n.path(found.Index), shown: o.in.shown + " > " + found.Name, name: found.Name, size: found.Size,
			out: c.places.inside(o.in.out, found.Name), nested: nested{o.in.depth + 1, o.in.root},
		}
		child := c.decode(ctx, in, out, scr)
		_ = os.Remove(in.path) // with the folder at the latest
		if child.stopped != nil {
			child.discard()
			return child.stopped
		}
		o.countInside(child)
		err := out.adopt(o, child)
		child.discard()
		if err != nil {
			return fmt.Errorf("keep what is inside: %w", err)
		}
	}
	return nil
}

// insideTally counts the files found inside an input, however deep.
type insideTally struct {
	Totals
	files   int
	unknown int // of them that no decoder knows: they are no failures
}

func (t *insideTally) add(u *insideTally) {
	t.Done, t.Partial, t.Failed = t.Done+u.Done, t.Partial+u.Partial, t.Failed+u.Failed
	t.files, t.unknown = t.files+u.files, t.unknown+u.unknown
}

func (o *outcome) countInside(child *outcome) {
	o.inside.files++
	if child.unknown() {
		o.inside.unknown++
	} else {
		o.inside.count(child.status())
	}
	o.inside.add(&child.inside)
}

// unknown reports whether no decoder knows the input.
func (o *outcome) unknown() bool {
	return o.result == nil && o.failure != nil && o.failure.Code == errcode.UnknownFormat
}

// childParams are the parameters of a file found inside: those that it inherits and its decoder takes.
func (c *Config) childParams(id string) (params []byte, err error) {
	if zone := c.Params[inheritedParam]; zone != "" {
		params, err = c.Registry.Params(id, map[string]string{inheritedParam: zone})
		if err == nil || !errcode.Is(err, errcode.ValidationFailed) {
			return params, err //nolint:wrapcheck // the caller says what was tried
		}
	}
	return c.Registry.Params(id, nil) //nolint:wrapcheck // the caller says what was tried
}

// childLines names the files that a decoder found inside an input.
func childLines(o *outcome) string {
	if o.result == nil || len(o.result.Children) == 0 {
		return ""
	}
	list := o.result.Children
	var names []string
	for _, c := range list[:min(len(list), childrenShown)] {
		names = append(names, printable(c.Name))
	}
	more, not := "", ", not decoded"
	if n := len(list) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	if o.opened {
		not = ""
	}
	return fmt.Sprintf("%s%s inside%s: %s%s\n", indent, plural(int64(len(list)), "file"), not, strings.Join(names, ", "), more)
}

// The sinks and the files found inside: each keeps what became of a child with its parent, which is printed later.

func (s *summarySink) opens() bool { return true }

func (s *summarySink) adopt(parent, child *outcome) error {
	if child.text == "" {
		child.text = s.header(child) + "\n"
	}
	parent.text += child.text
	return nil
}

func (s *folderSink) opens() bool { return true }

func (s *folderSink) adopt(parent, child *outcome) error {
	parent.text += s.lines(child)
	return nil
}

func (s *streamSink) opens() bool { return s.whole() }

func (s *streamSink) adopt(parent, child *outcome) error {
	var err error
	if parent.spool == nil {
		if parent.spool, err = unlinked(); err != nil {
			return err
		}
	} else if _, err := io.WriteString(parent.spool, ",\n"); err != nil {
		return fmt.Errorf("write document: %w", err)
	}
	return s.document(parent.spool, child)
}
