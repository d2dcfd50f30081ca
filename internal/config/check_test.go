package config

import (
	"strings"
	"testing"
)

// TestFilesInsideFitOneCommit: the default is the most that the smallest memory table takes.
func TestFilesInsideFitOneCommit(t *testing.T) {
	for _, tc := range []struct {
		children string
		memtable string
		ok       bool
	}{
		{"200", "4MiB", true},
		{"201", "4MiB", false},
		{"201", "5MiB", true},
		{"10000", "64MiB", false},
		{"10000", "256MiB", true},
	} {
		_, err := Load(Options{Env: withEnv("WAYSIDE_DECODE_MAX_CHILDREN="+tc.children, "WAYSIDE_STORE_MEMTABLE="+tc.memtable), systemFile: "/nonexistent"})
		if (err == nil) != tc.ok || err != nil && !strings.Contains(err.Error(), "decode.max_children") {
			t.Errorf("%s files, %s: %v", tc.children, tc.memtable, err)
		}
	}
}
