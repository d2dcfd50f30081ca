//go:build wasip1

// Command rail is the decoder of rail recorder logs as a WebAssembly reactor. The decoder itself is package
// recorder; this is apart because it holds the exports only. The manifest needs none: the build packs it into the
// module.
package main

import (
	"github.com/wayside-edge/wayside/plugins/rail/recorder"
	"github.com/wayside-edge/wayside/sdk/go"
)

//go:wasmexport wayside_decode
func waysideDecode() int32 { return sdk.GuestDecode(recorder.Plugin()) }

//go:wasmexport wayside_sniff
func waysideSniff() int32 { return sdk.GuestSniff(recorder.Plugin()) }

// main is never called in a reactor.
func main() {}
