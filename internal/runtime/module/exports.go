package module

import (
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const i32Type = 0x7f

// signatures gathers the types of functions, to compare those of the exports that the host calls.
type signatures struct {
	types     [][2]string // parameters and results
	functions []uint32    // type of each, imported ones first
}

// readTypes reads the type section.
func (s *signatures) readTypes(r *reader) {
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		if r.byte() != 0x60 {
			r.fail()
		}
		s.types = append(s.types, [2]string{string(r.take(r.u32())), string(r.take(r.u32()))})
	}
}

// readFunctions reads the types of a function section's functions.
func (s *signatures) readFunctions(r *reader, n uint32) {
	for ; n > 0 && r.err == nil; n-- {
		s.functions = append(s.functions, r.u32())
	}
}

// check compares an exported function with what the host calls it with.
func (s *signatures) check(name string, index uint32) error {
	results := ""
	switch name {
	case abi.ExportDecode, abi.ExportSniff:
		results = string([]byte{i32Type})
	case abi.ExportInitialize, abi.ExportManifest:
	default:
		return nil
	}
	if uint64(index) >= uint64(len(s.functions)) || uint64(s.functions[index]) >= uint64(len(s.types)) {
		return rejected("export %s: there is no function %d", name, index)
	}
	if t := s.types[s.functions[index]]; t != [2]string{"", results} {
		want := "no result"
		if results != "" {
			want = "one i32"
		}
		return rejected("export %s takes no parameter and gives %s", name, want)
	}
	return nil
}
