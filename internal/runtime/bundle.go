package runtime

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	// asksInBundle is how many entries that no rule knows are shown to the decoders without rules.
	asksInBundle = 16
	// notedEntries is how many entries that are left out are named in issues.
	notedEntries = 20
)

// HeadBytes is what of a file, or of an entry of an archive, Detect, Recognise and Prepare look at.
const HeadBytes = abi.SniffHead

// MaybeWrapped reports whether a file, by its first bytes, may be one that Unpack unwraps. It says so of each that is,
// and of few others: what it really is, the worker finds out.
func MaybeWrapped(head []byte) bool {
	has := func(prefix string) bool { return strings.HasPrefix(string(head[:min(len(head), 8)]), prefix) }
	if has("\x1f\x8b") || has("\x28\xb5\x2f\xfd") || has("PK") || len(head) >= 4 && string(head[1:4]) == "\x2a\x4d\x18" {
		return true
	}
	// The checksum of a tar header: octal digits, with blanks and a zero around them.
	const sumAt, sumBytes, block = 148, 8, 512
	if len(head) < block || head[0] == 0 {
		return false
	}
	sum := strings.Trim(string(head[sumAt:sumAt+sumBytes]), " \x00")
	return sum != "" && strings.Trim(sum, "01234567") == ""
}

// InnerName gives the name that a wrapped file would have without its wrapping.
func InnerName(name string) string {
	for _, ext := range []string{".gz", ".zst", ".zstd"} {
		if n := len(name) - len(ext); n > 0 && strings.EqualFold(name[n:], ext) {
			return name[:n]
		}
	}
	return name
}

// Recognise finds the decoder of what was unpacked: of the stream, or the one decoder for the entries of an archive. out
// holds at least the heads of them. together says that the caller knows that the entries are one recording; else an
// archive of several recordings is an error that says so, with code unsupported.
func (p *Pool) Recognise(ctx context.Context, u *Unpacked, out io.ReaderAt, name string, together bool) (Detection, bool, error) {
	if u.Bundle {
		return p.reg.recogniseEntries(ctx, u, out, together)
	}
	head, err := headOf(out, 0, u.Size)
	if err != nil {
		return Detection{}, false, err
	}
	size := u.Size
	if size == abi.SniffHead { // maybe there is more
		size = -1
	}
	d, ok := p.reg.Detect(ctx, head, size, InnerName(name))
	return d, ok, nil
}

func headOf(out io.ReaderAt, at, size int64) ([]byte, error) {
	head := make([]byte, min(size, abi.SniffHead))
	if n, err := out.ReadAt(head, at); err != nil && (!errors.Is(err, io.EOF) || n < len(head)) {
		return nil, fmt.Errorf("read what was unpacked: %w", err)
	}
	return head, nil
}

// claims are the entries of an archive that a decoder takes.
type claims struct {
	plugin  *Plugin
	content map[int]Candidate // by index: recognised by what is in them
	named   int               // others that have a name of its formats
	foreign int               // others that another decoder recognises
}

// recogniseEntries chooses the decoder that takes all entries which any decoder recognises, and most of them.
func (r *Registry) recogniseEntries(ctx context.Context, u *Unpacked, out io.ReaderAt, together bool) (Detection, bool, error) {
	found, err := r.detectEntries(ctx, u, out)
	if err != nil {
		return Detection{}, false, err
	}
	var all []*claims
	for _, p := range r.Plugins() {
		if c := claim(&p, u, found); len(c.content) > 0 || c.named > 0 {
			all = append(all, c)
		}
	}
	if len(all) == 0 {
		return Detection{}, false, nil
	}
	slices.SortStableFunc(all, func(a, b *claims) int {
		return cmp.Or(cmp.Compare(a.foreign, b.foreign), cmp.Compare(len(b.content), len(a.content)), cmp.Compare(b.named, a.named))
	})
	best := all[0]
	if best.foreign > 0 {
		return Detection{}, false, errcode.Newf(errcode.Unsupported,
			"the archive holds recordings of several kinds, which no single decoder takes (%s): upload them one by one", kinds(found))
	}
	if !together {
		if err := best.oneRecording(); err != nil {
			return Detection{}, false, err
		}
	}
	return best.detection(), true, nil
}

// detectEntries recognises each entry. An empty one is none.
func (r *Registry) detectEntries(ctx context.Context, u *Unpacked, out io.ReaderAt) ([]Detection, error) {
	found := make([]Detection, len(u.Entries))
	asks := asksInBundle
	for i := range u.Entries {
		e := &u.Entries[i]
		head, err := headOf(out, e.At, e.Kept)
		if err != nil {
			return nil, err
		}
		d, ok := r.detect(ctx, head, e.Size, path.Base(e.Name), asks > 0)
		if ok {
			found[i] = d
		}
		if !ok || d.ByName {
			asks--
		}
	}
	return found, nil
}

// claim counts what a decoder takes.
func claim(p *Plugin, u *Unpacked, found []Detection) *claims {
	c := &claims{plugin: p, content: map[int]Candidate{}}
	for i := range found {
		d := &found[i]
		k := slices.IndexFunc(d.Candidates, func(k Candidate) bool { return k.Decoder == p.ID })
		switch {
		case k >= 0 && !d.ByName:
			c.content[i] = d.Candidates[k]
		case u.Entries[i].Size > 0 && p.named(u.Entries[i].Name):
			c.named++
		case d.Decoder != "" && !d.ByName:
			c.foreign++
		}
	}
	return c
}

// named reports whether a file has a name of the decoder's formats.
func (p *Plugin) named(name string) bool {
	return slices.ContainsFunc(p.Formats, func(f Format) bool { return hasExtension(name, f.Extensions) })
}

func (p *Plugin) format(id string) *Format {
	if i := slices.IndexFunc(p.Formats, func(f Format) bool { return f.ID == id }); i >= 0 {
		return &p.Formats[i]
	}
	return nil
}

// kinds lists the formats that entries were recognised as.
func kinds(found []Detection) string {
	var names []string
	for i := range found {
		if d := &found[i]; d.Decoder != "" && !d.ByName && !slices.Contains(names, d.Format) {
			names = append(names, d.Format)
		}
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return strings.Join(names, ", ")
}

// formats counts the entries of each format, in the order of the archive.
func (c *claims) formats() (ids []string, count map[string]int) {
	count = map[string]int{}
	for _, i := range sortedKeys(c.content) {
		id := c.content[i].Format
		if count[id]++; count[id] == 1 {
			ids = append(ids, id)
		}
	}
	return ids, count
}

func sortedKeys(m map[int]Candidate) []int {
	out := make([]int, 0, len(m))
	for i := range m {
		out = append(out, i)
	}
	slices.Sort(out)
	return out
}

// oneRecording refuses what looks like several recordings: a decoder that reads one file would take the first only.
func (c *claims) oneRecording() error {
	ids, count := c.formats()
	for _, id := range ids {
		f := c.plugin.format(id)
		if f != nil && f.Sequence != nil && len(ids) > 1 {
			return errcode.Newf(errcode.Unsupported,
				"the archive holds recordings of several formats (%s): upload them one by one, or with decoder=%s to have them decoded as one",
				strings.Join(ids, ", "), c.plugin.ID)
		}
		if count[id] > 1 && (f == nil || f.Sequence == nil) {
			return errcode.Newf(errcode.Unsupported,
				"the archive holds %d recordings of the format %s: upload them one by one, or with decoder=%s to have them decoded as one",
				count[id], id, c.plugin.ID)
		}
	}
	return nil
}

// detection is what the archive as a whole is: most of its entries are, or the first of them.
func (c *claims) detection() Detection {
	ids, count := c.formats()
	if len(ids) == 0 {
		d := Detection{Decoder: c.plugin.ID, Confidence: extensionAlone, ByName: true}
		if len(c.plugin.Formats) > 0 {
			d.Format = c.plugin.Formats[0].ID
		}
		d.Candidates = []Candidate{{Format: d.Format, Decoder: d.Decoder, Confidence: d.Confidence}}
		return d
	}
	format := ids[0]
	for _, id := range ids {
		if count[id] > count[format] {
			format = id
		}
	}
	sure := 1.0
	for _, k := range c.content {
		sure = min(sure, k.Confidence)
	}
	return Detection{
		Format: format, Decoder: c.plugin.ID, Confidence: sure,
		Candidates: []Candidate{{Format: format, Decoder: c.plugin.ID, Confidence: sure}},
	}
}

// Prepared is what a decoder is to be given of a file that was unpacked.
type Prepared struct {
	Parts []Part   // nil = the stream as it is
	Paths []string // of the parts, in the archive
	Size  int64
	Name  string
	Notes []Note
	Cut   *Failure
}

// Fill puts it into a request. What is unpacked is the request's input.
func (p *Prepared) Fill(req *Request) {
	req.Size, req.Name, req.Parts, req.Notes, req.Cut = p.Size, p.Name, p.Parts, p.Notes, p.Cut
}

// Prepare chooses what of an unpacked file a decoder gets, in which order, and words what is wrong with the rest. It
// depends on nothing but the file and the decoder, so that a result can be shared. Errors: unsupported where nothing is
// left.
func (p *Pool) Prepare(u *Unpacked, out io.ReaderAt, name string, pl Plugin) (Prepared, error) {
	if u.Refused != nil {
		return Prepared{}, &errcode.Error{Code: u.Refused.Code, Text: u.Refused.Message}
	}
	prep := Prepared{Size: u.Size, Name: InnerName(name)}
	if !u.Bundle {
		if u.Size == 0 && len(u.Damage) > 0 {
			return prep, errcode.New(u.Damage[0].Code, u.Damage[0].Message)
		}
		prep.damage(u, func(at int64) *int64 { return &at })
		return prep, nil
	}
	chosen, err := p.reg.choose(u, out, &pl)
	if err != nil {
		return prep, err
	}
	chosen.note(&prep, u)
	if len(chosen.order) == 0 {
		if len(u.Damage) > 0 {
			return prep, errcode.New(u.Damage[0].Code, u.Damage[0].Message)
		}
		return prep, errcode.New(errcode.Unsupported, "the archive holds nothing to decode")
	}
	names := partNames(u, chosen.order)
	starts := map[int]int64{}
	prep.Size, prep.Name = 0, name
	for k, i := range chosen.order {
		e := &u.Entries[i]
		starts[i] = prep.Size
		prep.Parts = append(prep.Parts, Part{Name: names[k], Size: e.Size, SHA256: e.SHA256, At: e.At})
		prep.Paths = append(prep.Paths, e.Name)
		prep.Size += e.Size
	}
	prep.damage(u, func(at int64) *int64 {
		for i := range u.Entries { // it lies in the last one that had begun, or behind it
			if e := &u.Entries[i]; e.Size > 0 && at <= e.Size {
				if start, ok := starts[i]; ok {
					start += at
					return &start
				}
				return nil
			}
			at -= u.Entries[i].Size
		}
		return nil
	})
	return prep, nil
}

// damage words what is wrong with the file.
func (p *Prepared) damage(u *Unpacked, offset func(at int64) *int64) {
	for _, d := range u.Damage {
		n := Note{Severity: abi.Error, Offset: offset(d.At), Code: string(d.Code), Message: d.Message}
		switch {
		case d.Ignored:
			n.Severity, n.Code = abi.Warning, ignoredBytes
		case u.Wrapped != "zip": // nothing comes after it
			n.Severity = abi.Fatal
		}
		if !d.Ignored && p.Cut == nil {
			p.Cut = &Failure{Code: d.Code, Message: d.Message, Offset: n.Offset}
		}
		p.Notes = append(p.Notes, n)
	}
}

// choice is what of an archive is decoded.
type choice struct {
	order []int
	left  []leftOut
}

type leftOut struct {
	entry int
	why   string
}

func (c *choice) leave(i int, why string) { c.left = append(c.left, leftOut{i, why}) }

// note words what is left out.
func (c *choice) note(p *Prepared, u *Unpacked) {
	slices.SortStableFunc(c.left, func(a, b leftOut) int { return cmp.Compare(a.entry, b.entry) })
	for k, l := range c.left {
		if k == notedEntries {
			p.Notes = append(p.Notes, Note{Severity: abi.Info, Code: "part_left_out", Message: fmt.Sprintf("and %d more", len(c.left)-k)})
			break
		}
		p.Notes = append(p.Notes, Note{Severity: abi.Info, Code: "part_left_out", Message: u.Entries[l.entry].Name + ": " + l.why})
	}
	if u.Hidden > 0 {
		p.Notes = append(p.Notes, Note{
			Severity: abi.Info, Code: "part_left_out", Message: fmt.Sprintf("hidden files, and what systems leave in folders: %d", u.Hidden),
		})
	}
}

// choose takes the entries that the decoder recognises, by content or by name; where there are none, the caller has
// named the decoder, and it gets all. Files of a format that orders them are sorted as the recorder wrote them.
func (r *Registry) choose(u *Unpacked, out io.ReaderAt, p *Plugin) (choice, error) {
	var c choice
	var named, rest []int
	heads := map[int]string{} // the bytes that order an entry
	content := map[int]Candidate{}
	for i := range u.Entries {
		e := &u.Entries[i]
		if e.Size == 0 {
			c.leave(i, "it is empty")
			continue
		}
		head, err := headOf(out, e.At, e.Kept)
		if err != nil {
			return c, err
		}
		k, ok := r.matchOne(p.ID, head, e)
		switch {
		case ok:
			content[i] = k
			if f := p.format(k.Format); f != nil && f.Sequence != nil {
				if key, ok := f.Sequence.Key(head); ok {
					heads[i] = key
				}
			}
		case p.named(e.Name):
			named = append(named, i)
		default:
			rest = append(rest, i)
		}
	}
	recognised := sortedKeys(content)
	if sequence(p, content) {
		c.sequence(u, recognised, heads)
		for _, i := range named {
			c.leave(i, "only its name is that of the format")
		}
		named = nil
	} else {
		c.order = recognised
	}
	c.order = append(c.order, named...)
	if len(named) > 0 {
		slices.Sort(c.order)
	}
	if len(c.order) == 0 {
		c.order = rest
		return c, nil
	}
	for _, i := range rest {
		c.leave(i, "no format of the decoder")
	}
	return c, nil
}

// matchOne gives what the rules of one decoder recognise an entry as.
func (r *Registry) matchOne(id string, head []byte, e *Entry) (Candidate, bool) {
	found, _ := r.now.Load().match(head[:min(len(head), abi.SniffHead)], e.Size, path.Base(e.Name))
	for _, k := range found {
		if k.Decoder == id {
			return k, true
		}
	}
	return Candidate{}, false
}

// sequence reports whether all recognised entries are of one format whose files follow each other.
func sequence(p *Plugin, content map[int]Candidate) bool {
	id := ""
	for _, k := range content {
		if id != "" && k.Format != id {
			return false
		}
		id = k.Format
	}
	f := p.format(id)
	return f != nil && f.Sequence != nil
}

// sequence orders entries by their keys, without those that have the bytes of another.
func (c *choice) sequence(u *Unpacked, entries []int, keys map[int]string) {
	seen := map[string]int{}
	for _, i := range entries {
		if _, ok := keys[i]; !ok {
			c.leave(i, "it is too short to have a place among the others")
			continue
		}
		if twin, ok := seen[u.Entries[i].SHA256]; ok {
			c.leave(i, "it has the same bytes as "+u.Entries[twin].Name)
			continue
		}
		seen[u.Entries[i].SHA256] = i
		c.order = append(c.order, i)
	}
	slices.SortStableFunc(c.order, func(a, b int) int {
		return cmp.Or(cmp.Compare(keys[a], keys[b]), cmp.Compare(u.Entries[a].Name, u.Entries[b].Name))
	})
}

// partNames gives the names that the decoder sees: without folders where that leaves them different.
func partNames(u *Unpacked, order []int) []string {
	names := make([]string, len(order))
	seen := map[string]bool{}
	unique := true
	for k, i := range order {
		names[k] = PartName(path.Base(u.Entries[i].Name))
		unique = unique && !seen[names[k]]
		seen[names[k]] = true
	}
	if !unique {
		for k, i := range order {
			names[k] = PartName(u.Entries[i].Name)
		}
	}
	return names
}
