package module

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// globalExport prefixes the names under which Instrument exports a module's globals.
const globalExport = "wayside.global."

// Value types of globals that a snapshot can hold.
const (
	typeI32 = 0x7f
	typeI64 = 0x7e
	typeF32 = 0x7d
	typeF64 = 0x7c
)

// snapGap is the run of zero bytes from which on two data segments are cheaper than one.
const snapGap = 256

// GlobalExport gives the name under which Instrument exports global i.
func GlobalExport(i int) string { return globalExport + strconv.Itoa(i) }

// Instrument returns the module with all its globals exported, so that their values can be read after its
// initialisation, and their number. ok is false where a snapshot of memory and globals would not be the whole state:
// tables or passive segments change, or a global holds a reference or a vector.
func Instrument(b []byte, info Info) (out []byte, globals int, ok bool) {
	secs, err := Sections(b)
	if err != nil || !info.rewritable {
		return nil, 0, false
	}
	for _, s := range secs {
		if s.ID != secGlobal {
			continue
		}
		gs, err := parseGlobals(s.Body)
		if err != nil {
			return nil, 0, false
		}
		for _, g := range gs {
			if g.typ < typeF64 || g.typ > typeI32 {
				return nil, 0, false
			}
		}
		globals = len(gs)
	}
	done := false
	for i := range secs {
		if secs[i].ID != secExport {
			continue
		}
		r := reader{b: secs[i].Body}
		n := r.u32()
		if r.err != nil {
			return nil, 0, false
		}
		body := appendU32(nil, n+uint32(globals))
		body = append(body, secs[i].Body[r.p:]...)
		for g := range globals {
			body = appendName(body, GlobalExport(g))
			body = appendU32(append(body, 3), uint32(g))
		}
		secs[i].Body = body
		done = true
	}
	return join(secs), globals, done
}

type global struct{ typ, mutable byte }

func parseGlobals(b []byte) ([]global, error) {
	r := reader{b: b}
	var out []global
	for n := r.u32(); n > 0 && r.err == nil; n-- {
		out = append(out, global{r.byte(), r.byte()})
		for r.err == nil {
			op := r.byte()
			if op == 0x0b {
				break
			}
			plain(&r, op)
		}
	}
	if r.err != nil {
		return nil, fmt.Errorf("globals: %w", r.err)
	}
	return out, nil
}

// Snapshot returns the module b with memory and globals as they are after its initialisation, so that a new instance
// needs neither its start function nor _initialize. mem is the whole memory; globals are the raw values in order.
func Snapshot(b, mem []byte, globals []uint64) ([]byte, error) {
	secs, err := Sections(b)
	if err != nil {
		return nil, err
	}
	out := make([]Section, 0, len(secs)+1)
	data := Section{ID: secData, Body: dataOf(mem)}
	for _, s := range secs {
		switch s.ID {
		case secCustom, secStart, secDataCount, secData:
			continue // names and debug data are not needed any more; the start function has run
		case secMemory:
			s.Body, err = memoryOf(s.Body, len(mem))
		case secGlobal:
			s.Body, err = globalsOf(s.Body, globals)
		}
		if err != nil {
			return nil, fmt.Errorf("snapshot: %w", err)
		}
		out = append(out, s)
	}
	return join(append(out, data)), nil
}

func memoryOf(body []byte, size int) ([]byte, error) {
	r := reader{b: body}
	r.u32()
	flag := r.byte()
	r.u32()
	if r.err != nil {
		return nil, fmt.Errorf("memory: %w", r.err)
	}
	out := appendU32([]byte{1, flag}, uint32(size/Page))
	return append(out, body[r.p:]...), nil
}

func globalsOf(body []byte, values []uint64) ([]byte, error) {
	gs, err := parseGlobals(body)
	if err != nil {
		return nil, err
	}
	if len(gs) != len(values) {
		return nil, fmt.Errorf("globals: %d values for %d globals", len(values), len(gs))
	}
	out := appendU32(nil, uint32(len(gs)))
	for i, g := range gs {
		out = append(out, g.typ, g.mutable)
		switch g.typ {
		case typeI32:
			out = appendS64(append(out, 0x41), int64(int32(uint32(values[i]))))
		case typeI64:
			out = appendS64(append(out, 0x42), int64(values[i]))
		case typeF32:
			out = binary.LittleEndian.AppendUint32(append(out, 0x43), uint32(values[i]))
		case typeF64:
			out = binary.LittleEndian.AppendUint64(append(out, 0x44), values[i])
		default:
			return nil, fmt.Errorf("globals: type 0x%x cannot be stored", g.typ)
		}
		out = append(out, 0x0b)
	}
	return out, nil
}

// dataOf writes the parts of mem that are not zero as data segments.
func dataOf(mem []byte) []byte {
	var body []byte
	n := uint32(0)
	for i := 0; i < len(mem); {
		for i+8 <= len(mem) && binary.LittleEndian.Uint64(mem[i:]) == 0 {
			i += 8
		}
		for i < len(mem) && mem[i] == 0 {
			i++
		}
		if i == len(mem) {
			break
		}
		start, last := i, i
		for ; i < len(mem) && i-last < snapGap; i++ {
			if mem[i] != 0 {
				last = i
			}
		}
		body = appendS64(append(body, 0, 0x41), int64(int32(uint32(start))))
		body = append(body, 0x0b)
		body = appendU32(body, uint32(last+1-start))
		body = append(body, mem[start:last+1]...)
		i = last + 1
		n++
	}
	return append(appendU32(nil, n), body...)
}
