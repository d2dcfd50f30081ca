//go:build wasip1

// Command go is the example decoder of the SDKs as a WebAssembly reactor. The decoder itself is package tracklog; this
// is apart because it holds the exports only.
package main

import (
	"github.com/wayside-edge/wayside/sdk/examples/tracklog"
	"github.com/wayside-edge/wayside/sdk/go"
)

//go:wasmexport wayside_manifest
func waysideManifest() { sdk.GuestManifest(tracklog.Plugin()) }

//go:wasmexport wayside_decode
func waysideDecode() int32 { return sdk.GuestDecode(tracklog.Plugin()) }

//go:wasmexport wayside_sniff
func waysideSniff() int32 { return sdk.GuestSniff(tracklog.Plugin()) }

// main is never called in a reactor.
func main() {}
