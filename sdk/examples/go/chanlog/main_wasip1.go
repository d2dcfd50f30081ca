//go:build wasip1

// Command chanlog is the second example decoder of the SDKs as a WebAssembly reactor. The decoder itself is
// sdk/examples/chanlog; this is apart because it holds the exports only.
package main

import (
	"github.com/wayside-edge/wayside/sdk/examples/chanlog"
	"github.com/wayside-edge/wayside/sdk/go"
)

//go:wasmexport wayside_manifest
func waysideManifest() { sdk.GuestManifest(chanlog.Plugin()) }

//go:wasmexport wayside_decode
func waysideDecode() int32 { return sdk.GuestDecode(chanlog.Plugin()) }

// main is never called in a reactor.
func main() {}
