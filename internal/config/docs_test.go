package config

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/disk"
)

var update = flag.Bool("update", false, "write docs/config.md and packaging/wayside.yaml")

// docs/config.md and packaging/wayside.yaml are written from the table of keys.
func TestGenerated(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/config.md":         reference(newTable()),
		"../../packaging/wayside.yaml": example(newTable()),
	} {
		if *update {
			if err := disk.WriteFile(disk.OS, path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, string(got)); d != "" {
			t.Errorf("%s is not what the keys say; run go generate ./internal/config\n%s", path, d)
		}
	}
}

// The shipped file sets only what packages need, and with every key uncommented it means the defaults.
func TestExampleIsTheDefaults(t *testing.T) {
	shipped := load(t, Options{File: "../../packaging/wayside.yaml", Env: home})
	for _, e := range shipped.Entries() {
		if _, packaged := packagedValues()[e.Key]; e.Source != "default" && !packaged {
			t.Errorf("%s is set: %s", e.Key, e.Source)
		}
	}
	var lines []string
	for line := range strings.Lines(example(newTable())) {
		if rest, ok := strings.CutPrefix(line, "  #"); ok && !strings.HasPrefix(rest, " ") {
			line = "  " + rest
		}
		lines = append(lines, line)
	}
	path := filepath.Join(t.TempDir(), "all.yaml")
	if err := disk.WriteFile(disk.OS, path, []byte(strings.Join(lines, "")), 0o600); err != nil {
		t.Fatal(err)
	}
	full, plain := load(t, Options{File: path, Env: home}), load(t, Options{File: "/dev/null", Env: home})
	set := 0
	for i, e := range full.Entries() {
		d := plain.Entries()[i]
		if strings.HasPrefix(e.Source, path) {
			set++
		}
		if _, packaged := packagedValues()[e.Key]; e.Value != d.Value && !packaged {
			t.Errorf("%s is %q, its default %q", e.Key, e.Value, d.Value)
		}
	}
	if least := len(full.Entries()) - 13; set < least {
		t.Errorf("%d keys have a value in the file, want at least %d", set, least)
	}
}

// packagedValues are what an installed service needs different from a start by hand.
func packagedValues() map[string]string {
	return map[string]string{"auth.required": "true", "auth.group_readable": "true"}
}

func sectionTitles() map[string]string {
	return map[string]string{
		"service": "Names in logs and metrics", "data": "Data folder", "files": "Stored recordings", "uploads": "Uploads that resume", "shutdown": "Stopping",
		"server": "HTTP", "auth": "Access", "store": "Database and disk", "plugins": "Decoder plugins", "decode": "Decoding",
		"worker": "Worker processes", "queue": "Job queue", "celery": "Celery", "kv": "Redis-protocol server", "cache": "Decode cache",
		"log": "Log", "metrics": "Metrics", "alerts": "Alerts",
	}
}

func sections(tb *table) (names []string, keys map[string][]*key) {
	keys = map[string][]*key{}
	for i := range tb.keys {
		k := &tb.keys[i]
		if keys[k.section()] == nil {
			names = append(names, k.section())
		}
		keys[k.section()] = append(keys[k.section()], k)
	}
	return names, keys
}

const referenceHead = `# Configuration

<!-- Written by go generate ./internal/config from the table of keys. Do not edit. -->

Layers, weakest first: defaults, the older variables named below, the YAML file (` + "`/etc/wayside/wayside.yaml`" + ` or ` + "`--config`" + `), variables
` + "`WAYSIDE_*`" + `, flags. A variable's name is ` + "`WAYSIDE_`" + ` and the key in capitals with ` + "`_`" + ` for the dot: ` + "`server.listen`" + ` is ` + "`WAYSIDE_SERVER_LISTEN`" + `.
A variable that is set but empty counts as not set.

An unknown key or a wrong value stops the start, with its place and the nearest valid key. ` + "`wayside config show`" + ` prints every key, its value and
where it came from; ` + "`wayside config check`" + ` only checks. Keys marked *later* are accepted; the part that uses them is not in this version.
Keys marked *live* count anew at SIGHUP (` + "`systemctl reload`" + `); the others need a restart, and the reload names those of them that have changed.
A file that cannot be read or is wrong leaves everything as it was.

Durations are written ` + "`250ms`, `10s`, `5m`, `1h30m`, `7d`" + ` or as a number of seconds. Sizes are written ` + "`512 KiB`, `64m`, `1 GiB`" + ` or as a number of bytes;
units are powers of 1,024. Lists are written ` + "`[a, b]`" + `, in variables ` + "`a,b`" + `; mappings ` + "`{a: 1}`" + `, in variables ` + "`a=1`" + `,
a value with commas as ` + "`a=\"1,2\"`" + `.

Outside systemd a file ` + "`.env`" + ` in the working directory is read as if its variables were set, if it belongs to the user or root and
others cannot write it. Variables that are really set win over it.

`

func reference(tb *table) string {
	var b strings.Builder
	b.WriteString(referenceHead)
	names, keys := sections(tb)
	for _, s := range names {
		fmt.Fprintf(&b, "## %s\n\n| key | default | meaning |\n|---|---|---|\n", sectionTitles()[s])
		for _, k := range keys[s] {
			doc := k.doc
			if len(k.oneOf) > 0 {
				doc += " One of `" + strings.Join(k.oneOf, "`, `") + "`."
			}
			if k.flag != "" {
				doc += " Flag `--" + k.flag + "`."
			}
			if len(k.older) > 0 {
				doc += " Older: `" + strings.Join(k.older, "`, `") + "`."
			}
			if !k.built {
				doc += " *later*"
			}
			if k.live {
				doc += " *live*"
			}
			def := k.defaultText()
			if def != "" && k.shown == "" {
				def = "`" + def + "`"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.name, def, strings.ReplaceAll(doc, "|", "\\|"))
		}
		b.WriteString("\n")
	}
	b.WriteString("## Older variables\n\n" + `Some say more than one key:

| variable | meaning |
|---|---|
| ` + "`REDIS_ENABLED`" + ` | false: neither the embedded server nor the decode cache |
| ` + "`REDIS_HOST`, `REDIS_PORT`" + ` | where the embedded server listens; a host that is not this machine is an external server for the cache |
| ` + "`REDIS_PASSWORD`" + ` | password of the embedded server, or of the external one where ` + "`REDIS_HOST`" + ` names one |
| ` + "`PROMETHEUS_PORT`" + ` | a second listener for /metrics on 127.0.0.1; /metrics is on the main port anyway |
| ` + "`JSON_LOGS`" + ` | true: ` + "`log.format: json`" + `, false: console; ` + "`LOG_FORMAT`" + ` wins |
`)
	return b.String()
}

func example(tb *table) string {
	var b strings.Builder
	b.WriteString(`# Configuration of Wayside. Every key is here with its default; take away the # to change one.
# Older variables < this file < variables WAYSIDE_* < flags. All of it: docs/config.md, wayside config show.
`)
	names, keys := sections(tb)
	for _, s := range names {
		fmt.Fprintf(&b, "\n# %s\n%s:\n", sectionTitles()[s], s)
		for _, k := range keys[s] {
			b.WriteString("  # " + k.doc + "\n")
			if len(k.oneOf) > 0 {
				b.WriteString("  # One of " + strings.Join(k.oneOf, ", ") + ".\n")
			}
			if !k.built {
				b.WriteString("  # Accepted; the part that uses it is not in this version.\n")
			}
			name := strings.TrimPrefix(k.name, s+".")
			switch v, packaged := packagedValues()[k.name]; {
			case packaged:
				fmt.Fprintf(&b, "  %s: %s\n", name, v)
			case k.shown != "":
				fmt.Fprintf(&b, "  # Default: %s\n  #%s:\n", k.shown, name)
			case k.def == "":
				fmt.Fprintf(&b, "  #%s:\n", name)
			case strings.HasSuffix(k.def, ":"): // a mapping, unless it is quoted
				fmt.Fprintf(&b, "  #%s: %q\n", name, k.def)
			default:
				fmt.Fprintf(&b, "  #%s: %s\n", name, k.def)
			}
		}
	}
	return b.String()
}
