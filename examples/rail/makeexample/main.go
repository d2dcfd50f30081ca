// Command makeexample writes the example recording beside package rail: `go generate ./examples/rail`.
package main

import (
	"os"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

func main() {
	if err := disk.WriteFile(disk.OS, "example.RU", railtest.Example(), 0o644); err != nil {
		panic("write the example: " + err.Error())
	}
	_, _ = os.Stdout.WriteString("wrote example.RU\n")
}
