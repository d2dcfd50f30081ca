// Package plugins holds the decoders that are built into the appliance: their compiled modules in dist/, embedded,
// and beside it one folder a decoder with its source. It is apart so that only package app and the command line
// depend on the presence of compiled modules.
package plugins

import "embed"

// Dist is the folder of compiled modules. It may hold a README only: `make plugins` fills it.
//
//go:embed all:dist
var Dist embed.FS
