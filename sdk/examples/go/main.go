//go:build !wasip1

// Command go, run natively, prints the example decoder's manifest.
package main

import (
	"encoding/json"
	"os"

	"github.com/wayside-edge/wayside/sdk/examples/tracklog"
)

func main() {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tracklog.Plugin().Manifest()); err != nil {
		panic("print the manifest: " + err.Error())
	}
}
