package module

import (
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Limits are the static limits of a module. The zero value of a field is its default.
type Limits struct {
	Bytes     int // of the module, default 16 MiB
	Body      int // of a function's body, default 512 KiB
	Locals    int // of a function, default 1,000
	Nesting   int // of blocks in a function, default 2,000
	Functions int // default 65,536
	MemoryMiB int // the memory's minimum may not exceed it, default 256
}

// Defaults fills the zero fields. Real guests reached a body of 29 kB, 18 levels, 549 locals and 2,020 functions.
func (l Limits) Defaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Bytes, 16<<20)
	set(&l.Body, 512<<10)
	set(&l.Locals, 1000)
	set(&l.Nesting, 2000)
	set(&l.Functions, 65536)
	set(&l.MemoryMiB, 256)
	return l
}

// Info is what the static checks found.
type Info struct {
	Initialize  bool // exports _initialize
	Manifest    bool // exports wayside_manifest
	Sniff       bool // exports wayside_sniff
	Functions   int
	MemoryPages uint32 // minimum
	rewritable  bool   // no instruction changes what a snapshot of memory and globals does not hold
}

const (
	maxTableElements = 1 << 20 // of all tables together: they live in the worker's own heap
	maxTables        = 256
)

// Check applies the static limits. The error is PluginRejected and says what was exceeded.
func Check(b []byte, limits Limits) (Info, error) {
	limits = limits.Defaults()
	if len(b) > limits.Bytes {
		return Info{}, rejected("the module has %d bytes, the limit is %d", len(b), limits.Bytes)
	}
	secs, err := Sections(b)
	if err != nil {
		return Info{}, err
	}
	c := checker{limits: limits, info: Info{rewritable: true}, exports: map[string]byte{}, indexes: map[string]uint32{}}
	for _, s := range secs {
		if err := c.section(s); err != nil {
			return Info{}, err
		}
	}
	if c.declared != c.info.Functions {
		return Info{}, rejected("the module declares %d functions and has code for %d", c.declared, c.info.Functions)
	}
	if !c.memory {
		return Info{}, rejected("the module has no memory of its own")
	}
	if kind, ok := c.exports[abi.ExportMemory]; !ok || kind != 2 {
		return Info{}, rejected("the module does not export its memory as %q", abi.ExportMemory)
	}
	if kind, ok := c.exports[abi.ExportDecode]; !ok || kind != 0 {
		return Info{}, rejected("the module does not export the function %s", abi.ExportDecode)
	}
	for name, index := range c.indexes {
		if err := c.called.check(name, index); err != nil {
			return Info{}, err
		}
	}
	has := func(name string) bool { kind, ok := c.exports[name]; return ok && kind == 0 }
	c.info.Initialize, c.info.Manifest, c.info.Sniff = has(abi.ExportInitialize), has(abi.ExportManifest), has(abi.ExportSniff)
	return c.info, nil
}

type checker struct {
	limits  Limits
	info    Info
	exports map[string]byte
	memory  bool
	seen    uint32

	tableSizes []uint32 // least elements of each table

	declared int // functions in the function section
	called   signatures
	indexes  map[string]uint32 // of exported functions
}

func (c *checker) section(s Section) error {
	if s.ID != secCustom {
		if s.ID > secDataCount {
			return rejected("section %d is not supported", s.ID)
		}
		if c.seen&(1<<s.ID) != 0 {
			return rejected("section %d appears twice", s.ID)
		}
		c.seen |= 1 << s.ID
	}
	r := &reader{b: s.Body}
	var err error
	switch s.ID {
	case secType:
		c.called.readTypes(r)
	case secImport:
		err = c.imports(r)
	case secFunction:
		if n := r.u32(); int64(n) > int64(c.limits.Functions) {
			return rejected("the module has %d functions, the limit is %d", n, c.limits.Functions)
		} else {
			c.declared = int(n)
			c.called.readFunctions(r, n)
		}
	case secTable:
		err = c.tables(r)
	case secMemory:
		err = c.memories(r)
	case secExport:
		for n := r.u32(); n > 0 && r.err == nil; n-- {
			name := string(r.take(r.u32()))
			c.exports[name] = r.byte()
			if index := r.u32(); c.exports[name] == 0 {
				c.indexes[name] = index
			}
		}
	case secElement:
		err = c.elementSegments(r)
	case secCode:
		err = c.code(r)
	case secData:
		err = c.dataSegments(r)
	}
	if err == nil && r.err != nil {
		err = rejected("section %d: %v", s.ID, r.err)
	}
	return err
}

func (c *checker) imports(r *reader) error {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		mod, name := string(r.take(r.u32())), string(r.take(r.u32()))
		if kind := r.byte(); kind != 0 && r.err == nil {
			return rejected("import %.80q %.80q is not a function", mod, name)
		}
		c.called.readFunctions(r, 1)
		if r.err != nil {
			continue
		}
		switch mod {
		case abi.Module:
			if !HostFunction(name) {
				return rejected("import %.80q is not part of ABI v%d", name, abi.Version)
			}
		case abi.WASIModule:
			// The stub's names are wazero's business: an unknown one fails to link, which is a rejection too.
		default:
			return rejected("import module %.80q is not allowed", mod)
		}
	}
	return nil
}

// HostFunction reports whether ABI v1 has an import of that name.
func HostFunction(name string) bool {
	switch name {
	case abi.ImportRead, abi.ImportReadAt, abi.ImportSize, abi.ImportPart, abi.ImportOpenPart, abi.ImportManifest,
		abi.ImportTable, abi.ImportEmit, abi.ImportIssue, abi.ImportFail, abi.ImportLog, abi.ImportParam,
		abi.ImportChild, abi.ImportChildWrite, abi.ImportChildClose:
		return true
	}
	return false
}

func (c *checker) tables(r *reader) error {
	n := r.u32()
	if n > maxTables && r.err == nil {
		return rejected("the module has %d tables, the limit is %d", n, maxTables)
	}
	var all uint64
	for ; n > 0 && r.err == nil; n-- {
		r.byte()
		least, _ := limitsOf(r)
		if all += uint64(least); all > maxTableElements {
			return rejected("the tables have %d elements or more, the limit is %d", all, maxTableElements)
		}
		c.tableSizes = append(c.tableSizes, least)
	}
	return nil
}

// limitsOf reads a limits field; flag is its first byte.
func limitsOf(r *reader) (least uint32, flag byte) {
	flag = r.byte()
	least = r.u32()
	if flag&1 != 0 {
		r.u32()
	}
	return least, flag
}

func (c *checker) memories(r *reader) error {
	n := r.u32()
	if n != 1 && r.err == nil {
		return rejected("the module has %d memories, exactly one is allowed", n)
	}
	least, flag := limitsOf(r)
	if flag > 1 && r.err == nil {
		return rejected("shared and 64-bit memories are not supported")
	}
	if int64(least)*Page > int64(c.limits.MemoryMiB)<<20 {
		return rejected("the memory begins with %d pages of 64 KiB, the limit is %d MiB", least, c.limits.MemoryMiB)
	}
	c.memory, c.info.MemoryPages = true, least
	return nil
}

func (c *checker) code(r *reader) error {
	n := r.u32()
	if int64(n) > int64(c.limits.Functions) {
		return rejected("the module has %d functions, the limit is %d", n, c.limits.Functions)
	}
	c.info.Functions = int(n)
	for i := uint32(0); i < n && r.err == nil; i++ {
		body := r.take(r.u32())
		if len(body) > c.limits.Body {
			return rejected("function %d has %d bytes, the limit is %d", i, len(body), c.limits.Body)
		}
		if err := c.body(i, &reader{b: body}); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) body(i uint32, r *reader) error {
	var locals uint64
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		locals += uint64(r.u32())
		r.byte()
	}
	if locals > uint64(c.limits.Locals) {
		return rejected("function %d has %d locals, the limit is %d", i, locals, c.limits.Locals)
	}
	w := walk(r)
	switch {
	case r.err != nil:
		return rejected("code of function %d: %v", i, r.err)
	case w.nesting > c.limits.Nesting:
		return rejected("function %d nests %d blocks, the limit is %d", i, w.nesting, c.limits.Nesting)
	case w.growsTable:
		// A table lives in the worker's own heap, outside the memory limit.
		return rejected("function %d uses table.grow, which is not supported", i)
	}
	if w.changesTables {
		c.info.rewritable = false
	}
	return nil
}
