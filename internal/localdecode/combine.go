package localdecode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/runtime"
)

// nothingToCombine is said where --combine changes nothing.
const nothingToCombine = "--combine: no two files of a folder are of one format whose files can follow each other\n"

// family is what files have in common that may be one recording.
type family struct{ group, decoder, format string }

// member is a file of a family.
type member struct {
	in    input
	key   string // orders the files
	found runtime.Detection
}

// twin is a file that was left out because another has the same bytes.
type twin struct{ shown, other string }

// combine makes one input of the files of each family, where there are several. It takes the place of its first file;
// all others stay as they are: other formats, empty files, and what was not recognised by its content.
func (c *Config) combine(ctx context.Context, inputs []input) ([]input, error) {
	families := map[family][]member{}
	of := make([]*family, len(inputs))
	head := make([]byte, headBytes)
	for i := range inputs {
		f, m, ok := c.probe(ctx, inputs[i], head)
		if ctx.Err() != nil {
			return nil, fmt.Errorf("look at inputs: %w", context.Cause(ctx))
		}
		if ok {
			of[i] = &f
			families[f] = append(families[f], m)
		}
	}
	var out []input
	for i := range inputs {
		switch {
		case of[i] == nil:
			out = append(out, inputs[i])
		case families[*of[i]] != nil:
			in, err := c.join(ctx, families[*of[i]])
			if err != nil {
				return nil, err
			}
			out = append(out, in)
			families[*of[i]] = nil
		}
	}
	return out, nil
}

// probe finds out which family a file belongs to, and its place among the others. false = it stands for itself, and
// what is wrong with it shows when it is decoded.
func (c *Config) probe(ctx context.Context, in input, head []byte) (family, member, bool) {
	if in.group == "" || in.size <= 0 {
		return family{}, member{}, false
	}
	head, err := readHead(in.path, head)
	if err != nil {
		return family{}, member{}, false
	}
	l, err := c.lookInto(ctx, &in, head)
	if err != nil {
		return family{}, member{}, false
	}
	in.inner = l.inner
	found := runtime.Detection{Decoder: c.Decoder}
	if c.Decoder == "" {
		var ok bool
		if found, ok = c.detect(ctx, l.head, l.size, cmp.Or(in.inner, in.name)); !ok {
			return family{}, member{}, false
		}
	}
	p, ok := c.Registry.Get(found.Decoder)
	if !ok || c.Registry.Wait(ctx, p.SHA256) != nil {
		return family{}, member{}, false
	}
	if p, ok = c.Registry.Get(found.Decoder); !ok { // what its manifest says may be known only now
		return family{}, member{}, false
	}
	if _, ok := c.format(&p, found); !ok { // the user named a decoder of several formats
		found = c.formatIn(ctx, &p, l, cmp.Or(in.inner, in.name))
	}
	f, ok := c.familyOf(&in, &p, found)
	if !ok {
		return family{}, member{}, false
	}
	format, _ := c.format(&p, found)
	key, ok := format.Sequence.Key(l.head)
	return f, member{in: in, key: key, found: found}, ok
}

// readHead reads what recognition looks at.
func readHead(path string, buf []byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	defer f.Close()
	n, err := io.ReadFull(f, buf)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read input: %w", err)
	}
	return buf[:n], nil
}

// familyOf gives the family of a file whose decoder is known. false = it stands for itself.
func (c *Config) familyOf(in *input, p *runtime.Plugin, found runtime.Detection) (family, bool) {
	format, ok := c.format(p, found)
	if !ok || format.Sequence == nil || in.group == "" || in.size <= 0 || in.parts != nil || found.ByName {
		return family{}, false
	}
	return family{group: in.group, decoder: p.ID, format: format.ID}, true
}

// format gives the format of a file: the one it was recognised as, or, where the user named a decoder, that format or
// the only one that the decoder has.
func (c *Config) format(p *runtime.Plugin, found runtime.Detection) (runtime.Format, bool) {
	id := cmp.Or(found.Format, c.Decoder)
	if i := slices.IndexFunc(p.Formats, func(f runtime.Format) bool { return f.ID == id }); i >= 0 {
		return p.Formats[i], true
	}
	if p.ID == id && len(p.Formats) == 1 {
		return p.Formats[0], true
	}
	return runtime.Format{}, false
}

// formatIn recognises which of a decoder's formats a file is of, without one where it is of none.
func (c *Config) formatIn(ctx context.Context, p *runtime.Plugin, l look, name string) runtime.Detection {
	d, ok := c.detect(ctx, l.head, l.size, name)
	i := slices.IndexFunc(d.Candidates, func(k runtime.Candidate) bool { return k.Decoder == p.ID })
	if !ok || i < 0 {
		return runtime.Detection{Decoder: p.ID}
	}
	k := d.Candidates[i]
	return runtime.Detection{Format: k.Format, Decoder: k.Decoder, Confidence: k.Confidence, ByName: d.ByName}
}

// join makes one input of the files of a family.
func (c *Config) join(ctx context.Context, members []member) (input, error) {
	first := members[0].in
	slices.SortStableFunc(members, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.in.name, b.in.name))
	})
	members, twins, err := c.withoutTwins(ctx, members)
	if err != nil {
		return input{}, err
	}
	if len(members) == 1 {
		in := members[0].in
		in.twins = twins
		return in, nil
	}
	in := input{group: first.group, known: members[0].found, twins: twins}
	for _, m := range members {
		in.parts = append(in.parts, m.in)
		in.size += m.in.size
		in.known.Confidence = min(in.known.Confidence, m.found.Confidence)
	}
	in.known.Candidates = nil
	if first.group == namedGroup {
		more := fmt.Sprintf("+%d", len(members)-1)
		in.name, in.out, in.shown = members[0].in.name+more, members[0].in.name+more, members[0].in.shown+more
		return in, nil
	}
	in.shown, in.out = first.group, filepath.Dir(first.out)
	in.name = folderName(first.group)
	if in.out == "." {
		in.out = in.name
	}
	return in, nil
}

// folderName gives the name of a folder, also of one that is named by its place.
func folderName(dir string) string {
	full, err := filepath.Abs(dir)
	if name := filepath.Base(full); err == nil && name != string(filepath.Separator) {
		return name
	}
	return "recording"
}

// withoutTwins leaves out files whose bytes, without what they are wrapped in, an earlier one has. Only files of one key
// and size are compared; where some of a key are wrapped, all of it.
func (c *Config) withoutTwins(ctx context.Context, members []member) (kept []member, twins []twin, err error) {
	type class struct {
		key  string
		size int64
	}
	classes := map[class]int{}
	wrapped := map[string]bool{}
	for _, m := range members {
		wrapped[m.key] = wrapped[m.key] || m.in.inner != ""
	}
	classOf := func(m member) class {
		if wrapped[m.key] {
			return class{m.key, -1}
		}
		return class{m.key, m.in.size}
	}
	for _, m := range members {
		classes[classOf(m)]++
	}
	seen := map[string]string{}
	for _, m := range members {
		if classes[classOf(m)] > 1 {
			p, err := c.copyInput(ctx, io.Discard, &m.in)
			if ctx.Err() != nil {
				return nil, nil, err
			}
			if other := seen[p.sum]; err == nil && other != "" {
				twins = append(twins, twin{m.in.shown, other})
				continue
			}
			if err == nil { // else it shows when the file is decoded
				seen[p.sum] = m.in.shown
			}
		}
		kept = append(kept, m)
	}
	return kept, twins, nil
}

// twinLines says which files were left out.
func twinLines(twins []twin) string {
	var b strings.Builder
	for _, t := range twins {
		fmt.Fprintf(&b, "%sleft out  %s: the same bytes as %s\n", indent, printable(t.shown), printable(t.other))
	}
	return b.String()
}
