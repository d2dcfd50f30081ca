// Package sdkfiles holds the sources of the SDKs, for the commands that write them into an author's project. It is
// apart from the SDKs because it is part of the binary, not of a guest: it imports nothing of Wayside and owns nothing
// but the list below, which a test compares with the folders.
package sdkfiles

import "embed"

// Files are the sources of the SDKs without their tests, by folder: go (import path
// github.com/wayside-edge/wayside/sdk/go, with its packages abi and sdktest), c and rust.
//
//go:embed go/abi/abi.go go/abi/manifest.go
//go:embed go/child.go go/column.go go/found.go go/guest_child_wasip1.go go/guest_wasip1.go go/host.go go/input.go go/parts.go go/sdk.go go/table.go
//go:embed go/sdktest/child.go go/sdktest/parts.go go/sdktest/sdktest.go
//go:embed c/wayside.h
//go:embed rust/Cargo.toml rust/src/*.rs
var Files embed.FS
