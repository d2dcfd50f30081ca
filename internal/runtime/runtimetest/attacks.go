package runtimetest

import (
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// EndlessLoop gives a guest that loops without a call.
func EndlessLoop(id string) *Guest {
	return NewGuest(id, 1, 4096).Decode(Loop(Br(0)), Const(0))
}

// Recursion gives a guest that calls itself twice, depth levels deep: its stack stays small, its time doubles with
// every level, and it has no loop in which an engine could look at a clock.
func Recursion(id string, depth int) *Guest {
	g := NewGuest(id, 1, 4096)
	self := g.nImports
	g.Func("", []byte{I32}, nil, nil,
		Get(0), Op(Eqz), []byte{0x04, 0x40}, Op(Return), Op(0x0b),
		Get(0), Const(1), Op(Sub), Call(self), Get(0), Const(1), Op(Sub), Call(self))
	return g.Decode(Const(depth), Call(self), Const(0))
}

// Doubling gives a guest that doubles its memory, touches every page of it, and does so without end.
func Doubling(id string) *Guest {
	return NewGuest(id, 1, 65536).Decode(Loop(
		MemorySize(), Grow(), Const(-1), Op(Eq), []byte{0x04, 0x40}, Op(Unreachable), Op(0x0b),
		Const(0), Set(0), Loop(
			Get(0), Const(1), Store(0), Get(0), Const(4096), Op(Add), Set(0),
			Get(0), MemorySize(), Const(16), []byte{0x74}, Op(LtU), BrIf(0)), // size << 16
		Br(0)), Const(0))
}

// OutputBomb gives a guest that emits rows without end.
func OutputBomb(id string) *Guest {
	g := NewGuest(id, 16, 4096)
	return g.Decode(Loop(g.Rows(65536), Br(0)), Const(0))
}

// CompileBomb gives a guest of so many functions, each of which is hard for a compiler: many variables live through many
// loops. It does nothing when it runs.
func CompileBomb(id string, functions int) *Guest {
	const variables, loops = 900, 400
	g := NewGuest(id, 1, 16)
	locals := make([]byte, variables)
	for i := range locals {
		locals[i] = I64
	}
	var body []byte
	for i := range loops {
		var inner []byte
		for j := range 40 {
			a, b := (i*7+j*31)%variables, (i*13+j*17)%variables
			inner = append(inner, cat(Get(a), Get(b), []byte{0x7c}, Set(a))...) // i64.add
		}
		body = append(body, Loop(inner, Get(i), []byte{0x50}, BrIf(0))...) // while the variable is 0
	}
	for range functions {
		g.Func("", nil, nil, locals, body)
	}
	return g.Decode(Const(0))
}

// Deep gives a guest with a function of so many nested blocks.
func Deep(id string, levels int) *Guest {
	g := NewGuest(id, 1, 16)
	var body []byte
	for range levels {
		body = append(body, 0x02, 0x40)
	}
	for range levels {
		body = append(body, 0x0b)
	}
	g.Func("", nil, nil, nil, body)
	return g.Decode(Const(0))
}

// Wide gives a guest with a function of so many variables.
func Wide(id string, variables int) *Guest {
	g := NewGuest(id, 1, 16)
	g.RawFunc(nil, nil, cat([]byte{1}, U(variables), []byte{I64, 0x0b}))
	return g.Decode(Const(0))
}

// Long gives a guest with a function of about so many bytes.
func Long(id string, bytes int) *Guest {
	g := NewGuest(id, 1, 16)
	body := make([]byte, bytes)
	for i := range body {
		body[i] = 0x01 // nop
	}
	g.Func("", nil, nil, nil, body)
	return g.Decode(Const(0))
}

// Many gives a guest of so many functions.
func Many(id string, functions int) *Guest {
	g := NewGuest(id, 1, 16)
	for range functions - 1 {
		g.RawFunc(nil, nil, []byte{0, 0x0b})
	}
	return g.Decode(Const(0))
}

// MemorySize pushes the memory's pages.
func MemorySize() []byte { return []byte{0x3f, 0} }

// If runs code if the popped i32 is not 0.
func If(code ...[]byte) []byte { return append(cat([]byte{0x04, 0x40}, cat(code...)), 0x0b) }

// Exports adds an exported function without parameters and results under a name of the ABI.
func (g *Guest) Exports(name string, code ...[]byte) *Guest {
	g.Func(name, nil, nil, []byte{I32}, code...)
	return g
}

// Sniffs adds wayside_sniff.
func (g *Guest) Sniffs(code ...[]byte) *Guest {
	g.Func(abi.ExportSniff, nil, []byte{I32}, []byte{I32}, code...)
	return g
}

// RawSection adds a section as it is, before the code, in its place by number.
func (m *Module) RawSection(id byte, body []byte) {
	if m.raw == nil {
		m.raw = map[byte][]byte{}
	}
	m.raw[id] = body
}

// ElementSegment gives a guest with a table of so many elements and an active segment of count functions at an offset.
func ElementSegment(id string, elements, at, count int) *Guest {
	return elementsAt(id, elements, Const(at), count)
}

// ElementSegmentByGlobal is ElementSegment with a global that holds the offset.
func ElementSegmentByGlobal(id string, elements, at, count int) *Guest {
	g := elementsAt(id, elements, GlobalGet(0), count)
	g.RawGlobal(cat([]byte{I32, 0}, Const(at), []byte{0x0b})...)
	return g
}

func elementsAt(id string, elements int, at []byte, count int) *Guest {
	g := NewGuest(id, 1, 16)
	g.RawSection(4, cat([]byte{1, 0x70, 0}, U(elements)))
	items := make([]byte, count) // function 0, so many times
	g.RawSection(9, cat([]byte{1, 0}, at, []byte{0x0b}, U(count), items))
	return g.Decode(Const(0))
}

// DataSegment gives a guest with a memory of one page and an active segment of count bytes at an offset.
func DataSegment(id string, at, count int) *Guest {
	g := NewGuest(id, 1, 16)
	g.Data(at, make([]byte, count))
	return g.Decode(Const(0))
}

// DataSegmentByGlobal is DataSegment with a global that holds the offset.
func DataSegmentByGlobal(id string, at, count int) *Guest {
	g := NewGuest(id, 1, 16)
	g.RawGlobal(cat([]byte{I32, 0}, Const(at), []byte{0x0b})...)
	g.RawSection(11, cat([]byte{1, 0}, GlobalGet(0), []byte{0x0b}, U(count), make([]byte, count)))
	return g.Decode(Const(0))
}
