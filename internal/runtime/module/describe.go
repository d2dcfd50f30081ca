package module

import "strconv"

// Description is what can be seen of a module, for people. Unlike Check it judges nothing, and gives what it could read of
// a module that is damaged.
type Description struct {
	Imports     []string // module.name
	Exports     []string
	Functions   int
	Body        int // bytes of the largest function
	Locals      int // of the function with most
	Nesting     int // of blocks, the deepest
	MemoryPages uint32
}

// SectionName names a section for people.
func SectionName(id byte) string {
	names := [...]string{
		"custom", "type", "import", "function", "table", "memory", "global", "export", "start", "element", "code", "data", "data count",
	}
	if int(id) < len(names) {
		return names[id]
	}
	return "section " + strconv.Itoa(int(id))
}

// Describe reads what a module consists of.
func Describe(b []byte) Description {
	var d Description
	secs, err := Sections(b)
	if err != nil {
		return d
	}
	for _, s := range secs {
		r := &reader{b: s.Body}
		switch s.ID {
		case secImport:
			d.imports(r)
		case secMemory:
			if r.u32() > 0 {
				d.MemoryPages, _ = limitsOf(r)
			}
		case secExport:
			for n := r.u32(); n > 0 && r.err == nil; n-- {
				name := string(r.take(r.u32()))
				r.byte()
				if r.u32(); r.err == nil {
					d.Exports = append(d.Exports, name)
				}
			}
		case secCode:
			d.code(r)
		}
	}
	return d
}

// imports reads functions; any other import ends it, since a host refuses those.
func (d *Description) imports(r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		mod, name := string(r.take(r.u32())), string(r.take(r.u32()))
		if kind := r.byte(); kind != 0 {
			return
		}
		if r.u32(); r.err == nil {
			d.Imports = append(d.Imports, mod+"."+name)
		}
	}
}

func (d *Description) code(r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		body := r.take(r.u32())
		if r.err != nil {
			return
		}
		d.Functions++
		d.Body = max(d.Body, len(body))
		f := &reader{b: body}
		locals := uint64(0)
		for groups := f.u32(); groups > 0 && f.err == nil; groups-- {
			locals += uint64(f.u32())
			f.byte()
		}
		d.Locals = max(d.Locals, int(min(locals, 1<<32)))
		d.Nesting = max(d.Nesting, walk(f).nesting)
	}
}
