package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func TestPagesAreUpToDate(t *testing.T) {
	err := generate("../..", func(path string, page []byte) error {
		have, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(have, page) {
			t.Errorf("%s is not what the sources say: go generate ./sdk/docgen (%v)", path, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestPagesNameWhatThereIs(t *testing.T) {
	pages := map[string]string{}
	err := generate("../..", func(path string, page []byte) error {
		pages[path[strings.LastIndex(path, "/")+1:]] = string(page)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, words := range map[string][]string{
		"sdk-c.md":    {"### wayside_end_row\n", "### wayside_info\n", "### WAYSIDE_PLUGIN\n", "## Input\n", "### wayside_read_at\n", "### wayside_severity\n"},
		"sdk-rust.md": {"pub fn end_row(&mut self)", "pub trait Decoder: Sized {", "pub fn dec64(", "pub struct Info {", "macro_rules! plugin"},
		"sdk-go.md":   {"### Table.EndRow\n", "### Input.IntParam\n", "### Text.SetLossy\n", "### Manifest\n"},
	} {
		for _, w := range words {
			if !strings.Contains(pages[name], w) {
				t.Errorf("%s does not have %q", name, w)
			}
		}
		if strings.Contains(pages[name], "wayside__fill(") || strings.Contains(pages[name], "pub(crate)") {
			t.Errorf("%s shows what is private", name)
		}
	}
}
