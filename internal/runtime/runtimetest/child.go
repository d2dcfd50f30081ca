package runtimetest

import "github.com/wayside-edge/wayside/sdk/go/abi"

// ChildGuest is a Guest with the imports and the capability for sub-files.
type ChildGuest struct {
	*Guest
	// Indexes of the imports.
	Child, ChildWrite, ChildClose int
}

// NewChildGuest is NewGuest for a guest that makes sub-files.
func NewChildGuest(id string) *ChildGuest {
	g := &ChildGuest{Guest: NewGuest(id, 1, 16)}
	i := byte(I32)
	g.Child = g.Import(abi.Module, abi.ImportChild, []byte{i, i}, []byte{i})
	g.ChildWrite = g.Import(abi.Module, abi.ImportChildWrite, []byte{i, i, i}, []byte{i})
	g.ChildClose = g.Import(abi.Module, abi.ImportChildClose, []byte{i}, nil)
	g.Change(func(m *abi.Manifest) { m.Capabilities = append(m.Capabilities, abi.CapChild) })
	return g
}

// Begin gives code that begins a sub-file and keeps its handle in local variable 1.
func (g *ChildGuest) Begin(name string) []byte { return cat(g.Text(name), Call(g.Child), Set(1)) }

// Write gives code that appends a text to the sub-file of local variable 1 and drops the answer.
func (g *ChildGuest) Write(text string) []byte {
	return cat(Get(1), g.Text(text), Call(g.ChildWrite), Op(Drop))
}

// WriteMemory gives code that appends n bytes of memory to the sub-file of local variable 1 and drops the answer.
func (g *ChildGuest) WriteMemory(at, n int) []byte {
	return cat(Get(1), Const(at), Const(n), Call(g.ChildWrite), Op(Drop))
}

// Close gives code that completes the sub-file of local variable 1.
func (g *ChildGuest) Close() []byte { return cat(Get(1), Call(g.ChildClose)) }

// Whole gives code that makes a whole sub-file.
func (g *ChildGuest) Whole(name, text string) []byte {
	return cat(g.Begin(name), g.Write(text), g.Close())
}
