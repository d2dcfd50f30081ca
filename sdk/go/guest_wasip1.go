//go:build wasip1

package sdk

import (
	"encoding/json"
	"io"
	"unsafe"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

//go:wasmimport wayside_v1 read
func hostRead(p unsafe.Pointer, n uint32) int32

//go:wasmimport wayside_v1 read_at
func hostReadAt(off int64, p unsafe.Pointer, n uint32) int32

//go:wasmimport wayside_v1 size
func hostSize() int64

//go:wasmimport wayside_v1 part
func hostPart(index int32, p unsafe.Pointer, capacity uint32) int32

//go:wasmimport wayside_v1 open_part
func hostOpenPart(index int32) int32

//go:wasmimport wayside_v1 manifest
func hostManifest(p unsafe.Pointer, n uint32)

//go:wasmimport wayside_v1 table
func hostTable(p unsafe.Pointer, n uint32) int32

//go:wasmimport wayside_v1 emit
func hostEmit(table int32, desc unsafe.Pointer) int32

//go:wasmimport wayside_v1 issue
func hostIssue(severity int32, off int64, code unsafe.Pointer, codeLen uint32, msg unsafe.Pointer, msgLen uint32)

//go:wasmimport wayside_v1 fail
func hostFail(code unsafe.Pointer, codeLen uint32, msg unsafe.Pointer, msgLen uint32)

//go:wasmimport wayside_v1 log
func hostLog(level int32, msg unsafe.Pointer, msgLen uint32)

//go:wasmimport wayside_v1 param
func hostParam(key unsafe.Pointer, keyLen uint32, p unsafe.Pointer, capacity uint32) int32

// maxText is the longest parameter or part's name that is read; a longer one is taken as absent.
const maxText = 64 << 10

// GuestDecode is the body of the export wayside_decode.
func GuestDecode(p *Plugin) int32 { return p.Run(guestHost(p)) }

// GuestSniff is the body of the export wayside_sniff.
func GuestSniff(p *Plugin) int32 { return p.Sniff(guestHost(p)) }

// GuestManifest is the body of the export wayside_manifest.
func GuestManifest(p *Plugin) {
	b, err := json.Marshal(p.Manifest())
	if err != nil {
		panic("encode the manifest: " + err.Error())
	}
	hostManifest(unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b)))
}

func guestHost(p *Plugin) Host {
	h := Host{Input: guest{}, Parts: guest{}, Param: guestParam, Sink: &guestSink{}, Declare: guestDeclare}
	for _, c := range p.info.Capabilities {
		switch c {
		case abi.CapSeek:
			h.At = guest{}
		case abi.CapChild:
			h.Files = guestFiles{}
		}
	}
	return h
}

// guest reads the host's input.
type guest struct{}

func (guest) Read(p []byte) (int, error) {
	n := hostRead(unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p)))
	if n <= 0 {
		return 0, io.EOF
	}
	return int(n), nil
}

func (guest) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		n := hostReadAt(off+int64(done), unsafe.Pointer(unsafe.SliceData(p[done:])), uint32(len(p)-done))
		if n <= 0 {
			return done, io.EOF
		}
		done += int(n)
	}
	return done, nil
}

func (guest) Size() int64 { return hostSize() }

func (guest) Name(index int) (string, bool) {
	return guestText(func(buf []byte) int32 {
		return hostPart(int32(index), unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
	})
}

func (guest) Open(index int) bool { return hostOpenPart(int32(index)) == abi.DecodeOK }

func guestParam(key string) (string, bool) {
	return guestText(func(buf []byte) int32 {
		return hostParam(unsafe.Pointer(unsafe.StringData(key)), uint32(len(key)), unsafe.Pointer(unsafe.SliceData(buf)), uint32(len(buf)))
	})
}

func guestDeclare(schema []byte) int {
	return int(hostTable(unsafe.Pointer(unsafe.SliceData(schema)), uint32(len(schema))))
}

// guestText gives what get copies into a buffer; get tells the whole length, or less than 0 where there is nothing.
func guestText(get func(buf []byte) int32) (string, bool) {
	buf := make([]byte, 64)
	for {
		n := get(buf)
		if n < 0 || n > maxText {
			return "", false
		}
		if int(n) <= len(buf) {
			return string(buf[:n]), true
		}
		buf = make([]byte, n)
	}
}

// guestSink hands batches to the host.
type guestSink struct {
	desc []uint32
}

func (s *guestSink) Emit(b *Batch) bool {
	s.desc = append(s.desc[:0], uint32(b.Rows), uint32(len(b.Columns)), 0, 0)
	for i := range b.Columns {
		c := &b.Columns[i]
		s.desc = append(s.desc, address(c.Values), address(c.Validity), addressOf(c.Offsets), uint32(len(c.Values)))
	}
	return hostEmit(int32(b.Table), unsafe.Pointer(unsafe.SliceData(s.desc))) == abi.EmitMore
}

func (s *guestSink) Issue(severity abi.Severity, off int64, code, msg string) {
	hostIssue(int32(severity), off, unsafe.Pointer(unsafe.StringData(code)), uint32(len(code)),
		unsafe.Pointer(unsafe.StringData(msg)), uint32(len(msg)))
}

func (s *guestSink) Fail(code, msg string) {
	hostFail(unsafe.Pointer(unsafe.StringData(code)), uint32(len(code)),
		unsafe.Pointer(unsafe.StringData(msg)), uint32(len(msg)))
}

func (s *guestSink) Log(severity abi.Severity, msg string) {
	hostLog(int32(severity), unsafe.Pointer(unsafe.StringData(msg)), uint32(len(msg)))
}

// address gives where bytes lie in the guest's memory, 0 for none. The collector does not move what it holds.
func address(b []byte) uint32 {
	if b == nil {
		return 0
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(b))))
}

func addressOf(v []uint32) uint32 {
	if v == nil {
		return 0
	}
	return uint32(uintptr(unsafe.Pointer(unsafe.SliceData(v))))
}
