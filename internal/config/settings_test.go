package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestPluginSettings(t *testing.T) {
	file := write(t, `
plugins:
  settings:
    rail:
      memory: 128 MiB
      timeout: 5m
      stall: 20s
      timeout_per_mb: 2s
      output_ratio: 500
      output_base: 1 GiB
      max_issues: 100
      max_log: 64 KiB
      params:
        timezone: Europe/Berlin
        names: [a, b]
        a.b: "yes"
    old-one: {enabled: false}
    empty:
`)
	want := map[string]PluginSettings{
		"rail": {
			Memory: 128 * mib, Timeout: 5 * time.Minute, Stall: 20 * time.Second, TimeoutPerMB: 2 * time.Second, OutputRatio: 500,
			OutputBase: gib, MaxIssues: 100, MaxLog: 64 * kib,
			Params: map[string]string{"timezone": "UTC", "names": "a,b", "a.b": "yes", "note": `x, "y" = z`},
		},
		"old-one": {Disabled: true},
		"other":   {Stall: time.Second},
	}
	env := withEnv(`WAYSIDE_PLUGINS_SETTINGS=rail.params.timezone=UTC, rail.params.note= "x, \"y\" = z" ,other.stall=1s`)
	c := load(t, Options{File: file, Env: env})
	if d := cmp.Diff(want, c.Plugins.Settings); d != "" {
		t.Errorf("settings: %s", d)
	}
	shown := entry(t, c, "plugins.settings").Value
	for _, part := range []string{"rail.memory: 128 MiB", "rail.params.timezone: UTC", "old-one.enabled: false", "rail.stall: 20s"} {
		if !strings.Contains(shown, part) {
			t.Errorf("shown as %s, want %s in it", shown, part)
		}
	}
	simple := load(t, Options{Env: withEnv("WAYSIDE_PLUGINS_SETTINGS=" + shown)})
	if d := cmp.Diff(want, simple.Plugins.Settings); d != "" {
		t.Errorf("what is shown, read again: %s", d)
	}
}

func TestWrongPluginSettings(t *testing.T) {
	file := write(t, `plugins:
  settings:
    rail:
      memry: 128 MiB
      stall: soon
      memory: 3 GiB
      timeout: {a: 1}
      params: x
    Rail: {memory: 1 MiB}
    one: 5
    two: [a]
`)
	got := strings.Join(wrong(t, Options{File: file, Env: home}), "\n")
	for line, want := range map[int]string{
		4: `plugins.settings.rail.memry: unknown setting "memry"; did you mean "memory"?`,
		5: `plugins.settings.rail.stall: "soon" is no duration`,
		6: `plugins.settings.rail.memory: must be at most 1 GiB`,
		7: `plugins.settings.rail.timeout.a: unknown setting "timeout.a"`,
		8: `plugins.settings.rail.params: a mapping of parameters`,
		9: `plugins.settings.Rail.memory: "Rail" is no id`, 10: `plugins.settings.one: a mapping of settings`,
		11: `plugins.settings.two: is a mapping of plugins`,
	} {
		if place := fmt.Sprintf("%s:%d: %s", file, line, want); !strings.Contains(got, place) {
			t.Errorf("no %q in\n%s", place, got)
		}
	}
	file = write(t, "decode: {max_memory: 512 MiB}\nplugins:\n  settings: {rail: {memory: 1 GiB}}\n")
	got = strings.Join(wrong(t, Options{File: file, Env: home}), "\n")
	if !strings.Contains(got, "plugins.settings: gives a plugin more memory than decode.max_memory") {
		t.Errorf("memory above the most is not told:\n%s", got)
	}
}

func TestQuotedValues(t *testing.T) {
	for text, want := range map[string]string{
		`a="1,2",b=3`: "a|1,2 b|3", `{a: "1,2" , b: "", }`: "a|1,2 b|", `a="x\"y\\"`: `a|x"y\`, `a=x"y`: `a|x"y`, `a="é\u00e9"`: "a|éé",
		`a="x`: "!has no quotation mark", `a="x" y`: "!a comma is meant", `a="\q"`: "!no string as in JSON", `a="x\`: "!no quotation mark",
		`"a,b"=1`: "!is not of the form",
	} {
		m, err := splitMap(text)
		if reason, bad := strings.CutPrefix(want, "!"); bad {
			if err == nil || !strings.Contains(err.Error(), reason) {
				t.Errorf("%s: %v %v, want %q", text, m, err, reason)
			}
			continue
		}
		var got []string
		for _, name := range slices.Sorted(maps.Keys(m)) {
			got = append(got, fmt.Sprint(name, "|", m[name]))
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q %v, want %q", text, got, err, want)
		}
	}
}

// FuzzSplitMap writes any value so that it is read again as it was, beside another one.
func FuzzSplitMap(f *testing.F) {
	for _, s := range []string{"", "a", "a,b", `"`, `\`, `x\",y=1`, "{a: 1}", "é,\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, _ = splitMap(s)
		if !utf8.ValidString(s) || s != strings.TrimSpace(s) {
			return // refused before, and trimmed always
		}
		for _, text := range []string{"a=" + quote(s) + ",b=1", "{a: " + quote(s) + ", b: 1}"} {
			m, err := splitMap(text)
			if err != nil || m["a"] != s || m["b"] != "1" || len(m) != 2 {
				t.Fatalf("%q: %q %v", text, m, err)
			}
		}
	})
}
