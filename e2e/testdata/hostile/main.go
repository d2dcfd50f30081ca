//go:build wasip1

// Command hostile is a decoder that misbehaves in the way its input names, for the end-to-end tests: "HOSTILE:loop"
// and so on. It writes some rows first, so that what becomes of them shows.
package main

import (
	"bytes"
	"io"
	"os"
	"unsafe"

	"github.com/wayside-edge/wayside/sdk/go"
)

//go:wasmimport wayside_v1 emit
func rawEmit(table int32, desc unsafe.Pointer) int32

type rows struct {
	*sdk.Table
	value *sdk.Int64
}

func declare(s *sdk.Schema) *rows {
	t := s.Table("numbers", "what it wrote before it misbehaved")
	return &rows{Table: t, value: t.Int64("value", sdk.Attr{})}
}

func decode(in *sdk.Input, out *rows) error {
	data, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for i := range 20_000 { // more than two batches: some are out before the trouble
		out.value.Set(int64(i))
		out.EndRow()
	}
	mode, _, _ := bytes.Cut(bytes.TrimPrefix(data, []byte("HOSTILE:")), []byte("\n"))
	misbehave(string(mode))
	return nil
}

func misbehave(mode string) {
	switch mode {
	case "loop":
		for n := 0; ; n++ {
			if n < 0 {
				return
			}
		}
	case "alloc":
		var keep [][]byte
		for {
			block := make([]byte, 1<<20)
			block[len(keep)%len(block)] = 1
			keep = append(keep, block)
		}
	case "trap":
		os.Exit(3)
	case "lie":
		desc := [12]uint32{1 << 31, 2, 0, 0, 0xfffffff0, 0, 0, 0xffffffff, 0xfffffff0, 0, 0, 0xffffffff}
		rawEmit(0, unsafe.Pointer(&desc[0]))
	case "bomb":
		blob := make([]int64, 8192)
		desc := [12]uint32{
			8192, 2, 0, 0, uint32(uintptr(unsafe.Pointer(&blob[0]))), 0, 0, 8192 * 8,
			uint32(uintptr(unsafe.Pointer(&blob[0]))), 0, 0, 8192 * 8,
		}
		for {
			rawEmit(0, unsafe.Pointer(&desc[0]))
		}
	}
}

//go:wasmexport wayside_decode
func waysideDecode() int32 {
	return sdk.GuestDecode(sdk.New(sdk.Info{ID: "hostile"}, declare, decode))
}

func main() {}
