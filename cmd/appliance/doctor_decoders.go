package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"github.com/wayside-edge/wayside/internal/app"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/localdecode"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// compileLimit bounds how long doctor waits for all decoders.
const compileLimit = time.Minute

// checkDecoders compiles every decoder of this binary and of the configured folders, as the appliance would, and tells
// what became of each.
func (r *root) checkDecoders(ctx context.Context, cfg config.Config) []finding {
	const check = "decoders"
	var findings []finding
	dirs := make([]runtime.Dir, 0, len(cfg.Plugins.Dirs))
	for _, dir := range cfg.Plugins.Dirs {
		source := runtime.System
		if filepath.Dir(dir) == cfg.Data.Dir {
			source = runtime.Data
		}
		if f, usable := checkPluginDir(dir); usable {
			dirs = append(dirs, runtime.Dir{Path: dir, Source: source})
		} else if f.Grade != gradeOK {
			findings = append(findings, f)
		}
	}
	rules, err := app.PluginRules(cfg)
	if err != nil {
		return append(findings, fail(check, "correct the key, or the path of its file", "%v", err))
	}
	engine, err := r.openEngine(ctx, localdecode.EngineConfig{Dirs: dirs, Rules: rules, Workers: cfg.Decode.Workers})
	if err != nil {
		return append(findings, fail(check, "look at the folders in plugins.dirs", "%v", err))
	}
	findings = append(findings, decoderFindings(ctx, engine)...)
	if err := engine.Close(); err != nil {
		findings = append(findings, fail(check, "run doctor again", "%v", err))
	}
	return findings
}

// checkPluginDir reports whether a folder with plugins can be read; one that does not exist is nothing to speak of.
func checkPluginDir(dir string) (f finding, usable bool) {
	_, err := os.ReadDir(dir)
	switch {
	case err == nil:
		return finding{}, true
	case os.IsNotExist(err):
		return ok("decoders", "%s does not exist", dir), false
	}
	return warn("decoders", "give the user of the appliance the right to read it", "%v", err), false
}

func decoderFindings(ctx context.Context, engine *localdecode.Engine) []finding {
	const check = "decoders"
	ctx, cancel := context.WithTimeoutCause(ctx, compileLimit, fmt.Errorf("not compiled within %s", compileLimit))
	defer cancel()
	var findings []finding
	var probe *runtime.Plugin
	for _, p := range engine.Plugins() {
		err := engine.Wait(ctx, p.SHA256)
		for _, now := range engine.Plugins() {
			if now.SHA256 == p.SHA256 {
				p = now
			}
		}
		findings = append(findings, decoderFinding(p, err))
		for _, o := range p.Others {
			findings = append(findings, otherFinding(p, o))
		}
		if probe == nil && err == nil && p.State == runtime.Active {
			probe = &p
		}
	}
	if probe != nil {
		c, err := engine.Confinement(ctx, *probe)
		findings = append(findings, workerFinding(c, err))
	}
	if len(findings) == 0 {
		return []finding{warn(check, "build with `make build`, or put a *.wasm into a folder of plugins.dirs", "none: recordings are stored, but nothing is decoded")}
	}
	return findings
}

func decoderFinding(p runtime.Plugin, err error) finding {
	const check = "decoders"
	name := named(p.ID, p.Version, p.Source)
	switch {
	case p.State == runtime.Rejected:
		return warn(check, "replace or remove it", "%s is rejected: %s", name, oneLine(p.Reason))
	case err != nil:
		return warn(check, "replace or remove it", "%s cannot be used: %s", name, oneLine(err.Error()))
	case p.State == runtime.Disabled:
		return ok(check, "%s is disabled", name)
	}
	formats := make([]string, 0, len(p.Formats))
	for _, f := range p.Formats {
		formats = append(formats, f.ID)
	}
	signed := ""
	if p.Source != runtime.BuiltIn {
		signed = "; signature " + strings.ReplaceAll(string(p.Signature.State), "_", " ")
	}
	return ok(check, "%s is %s; formats %s%s", name, p.State, strings.Join(formats, ", "), signed)
}

// named names a module; its version is not always known.
func named(what, version string, source runtime.Source) string {
	if version != "" {
		what += " " + version
	}
	return fmt.Sprintf("%s (%s)", what, source)
}

// otherFinding tells of a module that does not serve the id it has, and what does.
func otherFinding(p runtime.Plugin, o runtime.Version) finding {
	const check = "decoders"
	what := named(o.File, o.Version, o.Source)
	if o.State == runtime.Rejected {
		return warn(check, "replace or remove it", "%s is rejected, %s %s (%s) serves: %s", what, p.ID, p.Version, p.Source, oneLine(o.Reason))
	}
	return ok(check, "%s is not used, %s %s (%s) serves", what, p.ID, p.Version, p.Source)
}

// workerFinding says how far a worker that was really started is shut in.
func workerFinding(c runtime.Confinement, err error) finding {
	const check = "workers"
	var have []string
	for _, part := range []struct {
		on   bool
		name string
	}{
		{c.LandlockABI > 0, fmt.Sprintf("landlock ABI %d", c.LandlockABI)},
		{c.Seccomp, "seccomp"},
		{c.NoNewPrivs, "no new privileges"},
		{c.NotDumpable, "not dumpable"},
	} {
		if part.on {
			have = append(have, part.name)
		}
	}
	switch text := strings.Join(have, ", "); {
	case err != nil:
		return fail(check, "look at what the kernel or a container forbids: dmesg", "a worker does not run: %s", oneLine(err.Error()))
	case len(c.Missing) > 0:
		return warn(check, "see landlock and seccomp above, and the unit or container the appliance runs in",
			"start; in effect: %s; missing: %s", cmp.Or(text, "nothing"), oneLine(strings.Join(c.Missing, "; ")))
	default:
		return ok(check, "start; in effect: %s", text)
	}
}

// oneLine makes one line for a terminal of what came with a plugin: escape sequences in a file's name or a decoder's last
// words would be carried out.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.Join(strings.Fields(s), " "))
}
