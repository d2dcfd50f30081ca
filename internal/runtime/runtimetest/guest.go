package runtimetest

import (
	"encoding/binary"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Addresses in a Guest's memory.
const (
	BufAt  = 0x1000 // 4 KiB that the input is read into
	RowsAt = 0x2000 // the values of the column "value" (i64)
	DescAt = 0x800  // the descriptor of a batch
	TextAt = 0x400  // texts
)

// Guest is a module with the imports of the ABI and a manifest with one table "rows" of one i64 column "value".
type Guest struct {
	*Module
	// Indexes of the imports.
	Read, ReadAt, Size, Table, Emit, Issue, Fail, Log, Param, Part, OpenPart int
	manifest                                                                 abi.Manifest
	text                                                                     int
}

// NewGuest returns a guest of the given id; most is its memory's maximum in pages.
func NewGuest(id string, least, most int) *Guest {
	g := &Guest{Module: New(least, most), text: TextAt}
	i, l := byte(I32), byte(I64)
	t := func(v ...byte) []byte { return v }
	g.Read = g.Import(abi.Module, abi.ImportRead, t(i, i), t(i))
	g.ReadAt = g.Import(abi.Module, abi.ImportReadAt, t(l, i, i), t(i))
	g.Size = g.Import(abi.Module, abi.ImportSize, nil, t(l))
	g.Table = g.Import(abi.Module, abi.ImportTable, t(i, i), t(i))
	g.Emit = g.Import(abi.Module, abi.ImportEmit, t(i, i), t(i))
	g.Issue = g.Import(abi.Module, abi.ImportIssue, t(i, l, i, i, i, i), nil)
	g.Fail = g.Import(abi.Module, abi.ImportFail, t(i, i, i, i), nil)
	g.Log = g.Import(abi.Module, abi.ImportLog, t(i, i, i), nil)
	g.Param = g.Import(abi.Module, abi.ImportParam, t(i, i, i, i), t(i))
	g.Part = g.Import(abi.Module, abi.ImportPart, t(i, i, i), t(i))
	g.OpenPart = g.Import(abi.Module, abi.ImportOpenPart, t(i), t(i))
	g.manifest = abi.Manifest{
		ID: id, Name: "Guest " + id, Version: "1.0.0", ABI: abi.Version,
		Formats: []abi.Format{{ID: id, Extensions: []string{"." + id}, Sniff: []abi.Sniff{}}},
		Tables:  []abi.Table{{Name: "rows", Columns: []abi.Column{{Name: "value", Type: abi.TypeI64}}}},
	}
	return g
}

// Change changes the manifest before it is stored.
func (g *Guest) Change(f func(m *abi.Manifest)) { f(&g.manifest) }

// Text puts a text into memory and gives code that pushes its address and length.
func (g *Guest) Text(s string) []byte {
	at := g.text
	g.Data(at, []byte(s))
	g.text += len(s)
	return cat(Const(at), Const(len(s)))
}

// Desc puts a descriptor at an address and gives code that emits it to a table and drops the answer.
func (g *Guest) Desc(at, table int, words ...uint32) []byte {
	g.Data(at, Words(words...))
	return cat(Const(table), Const(at), Call(g.Emit), Op(Drop))
}

// Rows gives code that emits n rows of "rows".
func (g *Guest) Rows(n int) []byte {
	return g.Desc(DescAt, 0, uint32(n), 1, 0, 0, RowsAt, 0, 0, uint32(8*n))
}

// ReadSome gives code that reads up to 4 KiB of input and drops the count.
func (g *Guest) ReadSome() []byte { return cat(Const(BufAt), Const(4096), Call(g.Read), Op(Drop)) }

// Decode adds wayside_decode with two i32 variables; the code is to leave its result.
func (g *Guest) Decode(code ...[]byte) *Guest {
	g.Func(abi.ExportDecode, nil, []byte{I32}, []byte{I32, I32}, code...)
	return g
}

// Wasm gives the module with its manifest.
func (g *Guest) Wasm() []byte {
	g.Manifest(g.manifest)
	return g.Bytes()
}

// Words gives u32 in little-endian.
func Words(v ...uint32) []byte {
	var out []byte
	for _, x := range v {
		out = binary.LittleEndian.AppendUint32(out, x)
	}
	return out
}

// Lines gives a guest that emits one row for each 4 KiB of input, in batches of one row whose value is the number of
// the row, and returns 0.
func Lines(id string) *Guest {
	g := NewGuest(id, 1, 16)
	g.Data(DescAt, Words(1, 1, 0, 0, RowsAt, 0, 0, 8))
	g.Decode(
		Loop(
			Const(BufAt), Const(4096), Call(g.Read), Set(0),
			Get(0), Op(Eqz), []byte{0x04, 0x40}, Const(0), Op(Return), Op(0x0b), // if at the end, return 0
			Const(RowsAt), Get(1), Const(1), Op(Add), Set(1), Get(1), Store(0),
			Const(0), Const(DescAt), Call(g.Emit),
			Op(Eqz), BrIf(0),
		),
		Const(0),
	)
	return g
}

// Parts gives a guest that goes through the parts of its input in their order: one row for every 8 bytes, which are its
// value, in batches of one row. Bytes at the end of a part that are fewer make no row.
func Parts(id string) *Guest {
	g := NewGuest(id, 1, 16)
	g.Data(DescAt, Words(1, 1, 0, 0, RowsAt, 0, 0, 8))
	g.Decode(
		Loop(
			Const(RowsAt), Const(8), Call(g.Read), Const(8), Op(LtU), []byte{0x04, 0x40}, // if at the end of a part
			Get(0), Const(1), Op(Add), Set(0), Get(0), Call(g.OpenPart), Op(Eqz), BrIf(1), // the next one
			Const(0), Op(Return), Op(0x0b),
			Const(0), Const(DescAt), Call(g.Emit),
			Op(Eqz), BrIf(0),
		),
		Const(0),
	)
	return g
}
