package main

import (
	"strings"
	"testing"

	"github.com/wayside-edge/wayside/sdk/client"
)

// TestPluginTableIsPlainText lists plugins whose files were named to take the terminal over.
func TestPluginTableIsPlainText(t *testing.T) {
	const evil = "a\x1b]0;mine\x07\u202eb\r.wasm"
	text := pluginTable([]client.Plugin{
		{ID: evil, State: "rejected", Reason: "panic: \x1b[2J", Others: []client.PluginVersion{{File: evil, State: "rejected", Reason: "\x9b2J"}}},
	})
	if strings.ContainsAny(strings.ReplaceAll(text, "\n", ""), "\x1b\x07\r\u202e\u009b") || strings.Count(text, "\n") != 5 {
		t.Errorf("%q", text)
	}
}
