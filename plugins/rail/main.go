//go:build !wasip1

// Command rail, run natively, prints the plugin's manifest: the build packs it into the compiled module.
package main

import (
	"encoding/json"
	"os"

	"github.com/wayside-edge/wayside/plugins/rail/recorder"
)

func main() {
	enc := json.NewEncoder(os.Stdout)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(recorder.Plugin().Manifest()); err != nil {
		panic("print the manifest: " + err.Error())
	}
}
