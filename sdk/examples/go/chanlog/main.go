//go:build !wasip1

// Command chanlog, run natively, prints the second example decoder's manifest.
package main

import (
	"encoding/json"
	"os"

	"github.com/wayside-edge/wayside/sdk/examples/chanlog"
)

func main() {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(chanlog.Plugin().Manifest()); err != nil {
		panic("print the manifest: " + err.Error())
	}
}
