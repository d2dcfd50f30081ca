//go:build wasip1

package sdk

import "unsafe"

//go:wasmimport wayside_v1 child
func hostChild(name unsafe.Pointer, n uint32) int32

//go:wasmimport wayside_v1 child_write
func hostChildWrite(handle int32, p unsafe.Pointer, n uint32) int32

//go:wasmimport wayside_v1 child_close
func hostChildClose(handle int32)

// guestFiles hands files to the host.
type guestFiles struct{}

func (guestFiles) Begin(name string) (int32, bool) {
	h := hostChild(unsafe.Pointer(unsafe.StringData(name)), uint32(len(name)))
	return h, h >= 0
}

func (guestFiles) Write(handle int32, p []byte) (int, bool) {
	n := hostChildWrite(handle, unsafe.Pointer(unsafe.SliceData(p)), uint32(len(p)))
	return int(n), n >= 0
}

func (guestFiles) End(handle int32) { hostChildClose(handle) }
