//go:build e2e

package e2e

import (
	"bytes"
	"debug/buildinfo"
	"os"
	"strings"
	"testing"
)

// TestShippedBinaryHasNoFaults checks that nothing of what endurance runs slow and set the appliance with is in the
// binary that is shipped.
func TestShippedBinaryHasNoFaults(t *testing.T) {
	data, err := os.ReadFile(built(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"SOAK_DELAY", "SOAK_CLOCK", "disk.NewFault", "disk.(*Fault)"} {
		if bytes.Contains(data, []byte(text)) {
			t.Errorf("the binary contains %q", text)
		}
	}
	if !bytes.Contains(data, []byte("internal/disk.WriteFile")) {
		t.Error("names of functions are not in the binary: their absence shows nothing")
	}
	info, err := buildinfo.ReadFile(built(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" && strings.Contains(s.Value, "soak") {
			t.Errorf("built with the tags %s", s.Value)
		}
	}
}
