// Package runtimetest builds small WebAssembly modules for the tests of the plugin runtime: guests that behave, and
// guests that do not. It is an assembler, not a compiler: code is a sequence of byte strings made by the functions
// below. Only tests and benchmarks import it.
package runtimetest

import (
	"encoding/binary"
	"encoding/json"
)

// Value types.
const (
	I32 = 0x7f
	I64 = 0x7e
	F32 = 0x7d
	F64 = 0x7c
)

// Module is a module in the making. Imports are to be added before functions.
type Module struct {
	types, imports, funcs, exports, code, globals, data, customs [][]byte
	memory                                                       []byte
	start                                                        []byte
	nImports                                                     int
	raw                                                          map[byte][]byte // sections as they are, by number
}

// New returns a module with a memory of least to most pages, exported as "memory"; most < 0 = no maximum.
func New(least, most int) *Module {
	m := &Module{memory: []byte{1, 0}}
	if most >= 0 {
		m.memory[1] = 1
	}
	m.memory = append(m.memory, U(least)...)
	if most >= 0 {
		m.memory = append(m.memory, U(most)...)
	}
	m.Export("memory", 2, 0)
	return m
}

// Import adds an imported function and gives its index.
func (m *Module) Import(module, name string, params, results []byte) int {
	m.imports = append(m.imports, cat(Name(module), Name(name), []byte{0}, U(m.typ(params, results))))
	m.nImports++
	return m.nImports - 1
}

// Func adds a function with local variables of the given types and gives its index; export "" = not exported.
func (m *Module) Func(export string, params, results, locals []byte, code ...[]byte) int {
	index := m.nImports + len(m.funcs)
	m.funcs = append(m.funcs, U(m.typ(params, results)))
	body := U(len(locals))
	for _, l := range locals {
		body = append(body, 1, l)
	}
	body = append(cat(body, cat(code...)), 0x0b)
	m.code = append(m.code, cat(U(len(body)), body))
	if export != "" {
		m.Export(export, 0, index)
	}
	return index
}

// RawFunc adds a function whose body is given as it is.
func (m *Module) RawFunc(params, results, body []byte) int {
	m.funcs = append(m.funcs, U(m.typ(params, results)))
	m.code = append(m.code, cat(U(len(body)), body))
	return m.nImports + len(m.funcs) - 1
}

// Export exports something by its kind (0 function, 2 memory, 3 global) and index.
func (m *Module) Export(name string, kind byte, index int) {
	m.exports = append(m.exports, cat(Name(name), []byte{kind}, U(index)))
}

// Global adds a mutable i32 global and gives its index.
func (m *Module) Global(v int) int {
	m.globals = append(m.globals, cat([]byte{I32, 1}, Const(v), []byte{0x0b}))
	return len(m.globals) - 1
}

// RawGlobal adds a global as it is encoded.
func (m *Module) RawGlobal(b ...byte) { m.globals = append(m.globals, b) }

// Data puts bytes into memory.
func (m *Module) Data(at int, b []byte) {
	m.data = append(m.data, cat([]byte{0}, Const(at), []byte{0x0b}, U(len(b)), b))
}

// Start names the start function.
func (m *Module) Start(index int) { m.start = U(index) }

// Custom adds a custom section.
func (m *Module) Custom(name string, body []byte) {
	m.customs = append(m.customs, cat(Name(name), body))
}

// Manifest adds the section wayside.manifest with v as JSON.
func (m *Module) Manifest(v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a test's mistake
	}
	m.Custom("wayside.manifest", b)
}

// Bytes gives the module.
func (m *Module) Bytes() []byte {
	out := []byte("\x00asm\x01\x00\x00\x00")
	vec := func(id byte, items [][]byte) {
		if raw, ok := m.raw[id]; ok {
			out = append(out, section(id, raw)...)
		} else if len(items) > 0 {
			out = append(out, section(id, cat(U(len(items)), cat(items...)))...)
		}
	}
	vec(1, m.types)
	vec(2, m.imports)
	vec(3, m.funcs)
	vec(4, nil)
	if m.memory != nil && m.raw[5] == nil {
		out = append(out, section(5, m.memory)...)
	}
	vec(5, nil)
	vec(6, m.globals)
	vec(7, m.exports)
	if m.start != nil {
		out = append(out, section(8, m.start)...)
	}
	vec(9, nil)
	vec(10, m.code)
	vec(11, m.data)
	for _, c := range m.customs {
		out = append(out, section(0, c)...)
	}
	return out
}

// NoMemory takes the memory away; its export stays.
func (m *Module) NoMemory() { m.memory = nil }

func (m *Module) typ(params, results []byte) int {
	m.types = append(m.types, cat([]byte{0x60}, U(len(params)), params, U(len(results)), results))
	return len(m.types) - 1
}

func section(id byte, body []byte) []byte { return cat([]byte{id}, U(len(body)), body) }

// U encodes an unsigned number.
func U(v int) []byte { return binary.AppendUvarint(nil, uint64(v)) }

// S encodes a signed number.
func S(v int64) []byte {
	var out []byte
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if (v == 0 && c&0x40 == 0) || (v == -1 && c&0x40 != 0) {
			return append(out, c)
		}
		out = append(out, c|0x80)
	}
}

// Name encodes a name.
func Name(s string) []byte { return cat(U(len(s)), []byte(s)) }

func cat(parts ...[]byte) []byte {
	var out []byte
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// Const pushes an i32.
func Const(v int) []byte { return cat([]byte{0x41}, S(int64(int32(v)))) }

// Const64 pushes an i64.
func Const64(v int64) []byte { return cat([]byte{0x42}, S(v)) }

// Get and Set read and write a local variable.
func Get(i int) []byte { return cat([]byte{0x20}, U(i)) }

// Set pops into a local variable.
func Set(i int) []byte { return cat([]byte{0x21}, U(i)) }

// GlobalGet pushes a global.
func GlobalGet(i int) []byte { return cat([]byte{0x23}, U(i)) }

// GlobalSet pops into a global.
func GlobalSet(i int) []byte { return cat([]byte{0x24}, U(i)) }

// Call calls a function.
func Call(i int) []byte { return cat([]byte{0x10}, U(i)) }

// Loop repeats code as long as the br to it is taken: Br(0) at its end loops for ever.
func Loop(code ...[]byte) []byte { return append(cat([]byte{0x03, 0x40}, cat(code...)), 0x0b) }

// Block is left by a br to it.
func Block(code ...[]byte) []byte { return append(cat([]byte{0x02, 0x40}, cat(code...)), 0x0b) }

// Br jumps to the depth-th enclosing block or loop.
func Br(depth int) []byte { return cat([]byte{0x0c}, U(depth)) }

// BrIf is Br if the popped i32 is not 0.
func BrIf(depth int) []byte { return cat([]byte{0x0d}, U(depth)) }

// Op is an instruction without immediates.
func Op(b ...byte) []byte { return b }

// Instructions without immediates, for Op.
const (
	Unreachable = 0x00
	Return      = 0x0f
	Drop        = 0x1a
	Add         = 0x6a
	Sub         = 0x6b
	Mul         = 0x6c
	Eqz         = 0x45
	Eq          = 0x46
	LtU         = 0x49
	GeU         = 0x4f
)

// Load pushes the i32 at the popped address.
func Load(off int) []byte { return cat([]byte{0x28, 2}, U(off)) }

// Store pops a value and an address and writes an i32.
func Store(off int) []byte { return cat([]byte{0x36, 2}, U(off)) }

// Grow grows memory by the popped number of pages and pushes the old size or -1.
func Grow() []byte { return []byte{0x40, 0} }
