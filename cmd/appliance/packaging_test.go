package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/config"
)

// unitLines reads the systemd unit: its settings in their order, without comments.
func unitLines(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile("../../packaging/systemd/wayside.service")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			lines = append(lines, line)
		}
	}
	return lines
}

// unitValues gives every value of a setting.
func unitValues(t *testing.T, name string) []string {
	t.Helper()
	var values []string
	for _, line := range unitLines(t) {
		if v, ok := strings.CutPrefix(line, name+"="); ok {
			values = append(values, v)
		}
	}
	return values
}

func TestUnitGivesTheApplianceTimeToStop(t *testing.T) {
	cfg, err := config.Load(config.Options{File: "/dev/null", Env: []string{"HOME=" + t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	values := unitValues(t, "TimeoutStopSec")
	if len(values) != 1 {
		t.Fatalf("TimeoutStopSec: %q", values)
	}
	timeout, err := time.ParseDuration(values[0])
	if err != nil {
		t.Fatal(err)
	}
	const intakeAndClose = 2 * time.Second
	if budget := cfg.Shutdown.Drain + intakeAndClose; timeout <= budget {
		t.Errorf("TimeoutStopSec=%s is not above the %s that a shutdown may take", timeout, budget)
	}
}

func TestUnitLetsWorkersConfineThemselves(t *testing.T) {
	var filter []string
	for _, v := range unitValues(t, "SystemCallFilter") {
		filter = append(filter, strings.Fields(v)...)
	}
	for _, call := range []string{"landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"} {
		if !slices.Contains(filter, call) {
			t.Errorf("SystemCallFilter does not name %s: workers would confine nothing", call)
		}
	}
	// These kill or blind the compiler in a worker while the service looks active.
	if got := unitValues(t, "MemoryDenyWriteExecute"); !slices.Equal(got, []string{"no"}) {
		t.Errorf("MemoryDenyWriteExecute=%q", got)
	}
	if got := unitValues(t, "ProcSubset"); len(got) != 0 {
		t.Errorf("ProcSubset=%q hides the host's figures", got)
	}
	if got := unitValues(t, "Type"); !slices.Equal(got, []string{"notify"}) {
		t.Errorf("Type=%q", got)
	}
}

// The command line in the unit must be one that the binary understands.
func TestUnitStartsACommandThatExists(t *testing.T) {
	start := unitValues(t, "ExecStart")
	if len(start) != 1 {
		t.Fatalf("ExecStart: %q", start)
	}
	args := strings.Fields(start[0])[1:]
	cmd, rest, err := newRoot(nil, stdio{out: io.Discard, err: io.Discard}).cmd.Find(args)
	if err != nil || cmd.Name() != "serve" {
		t.Fatalf("%q is no command of ours: %v", args, err)
	}
	if err := cmd.ParseFlags(rest); err != nil {
		t.Errorf("%q: %v", args, err)
	}
}

func TestShippedConfigurationIsValid(t *testing.T) {
	if _, err := config.Load(config.Options{File: "../../packaging/wayside.yaml", Env: []string{"HOME=" + t.TempDir()}}); err != nil {
		t.Error(err)
	}
}

func TestInstallWritesOnlyBelowDestdir(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip("no sh here")
	}
	dest := filepath.Join(t.TempDir(), "root")
	bin := filepath.Join(t.TempDir(), "wayside")
	if err := os.WriteFile(bin, []byte("#!/bin/sh\n[ \"$1\" != man ] || { mkdir -p \"$2\" && echo page >\"$2/wayside.1\"; }\necho \"# $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	install := func() {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "sh", "../../packaging/install.sh")
		cmd.Env = append(os.Environ(), "DESTDIR="+dest, "PREFIX=/opt/w", "BIN="+bin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	install()
	for path, mode := range map[string]os.FileMode{
		"opt/w/bin/wayside": 0o755, "opt/w/lib/systemd/system/wayside.service": 0o644,
		"opt/w/lib/sysusers.d/wayside.conf": 0o644, "etc/wayside/wayside.yaml": 0o644,
		"opt/w/share/doc/wayside/cli.md": 0o644, "opt/w/share/bash-completion/completions/wayside": 0o644,
		"opt/w/share/man/man1/wayside.1": 0o644, "opt/w/share/wayside/prometheus/rules.yml": 0o644,
		"opt/w/share/wayside/prometheus/scrape.yml": 0o644, "opt/w/share/wayside/grafana/overview.json": 0o644,
	} {
		info, err := os.Stat(filepath.Join(dest, path))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	unit, err := os.ReadFile(filepath.Join(dest, "opt/w/lib/systemd/system/wayside.service"))
	if err != nil || !strings.Contains(string(unit), "ExecStart=/opt/w/bin/wayside serve ") {
		t.Errorf("the unit does not start what was installed: %v", err)
	}
	provider, err := os.ReadFile(filepath.Join(dest, "opt/w/share/wayside/grafana/provider.yaml"))
	if err != nil || !strings.Contains(string(provider), "path: /opt/w/share/wayside/grafana\n") {
		t.Errorf("Grafana is not shown to the dashboards that were installed: %v %s", err, provider)
	}
	own := filepath.Join(dest, "etc/wayside/wayside.yaml")
	cfg, err := config.Load(config.Options{File: own, Env: []string{"HOME=" + t.TempDir()}})
	if err != nil || !cfg.Auth.Required || !cfg.Auth.GroupReadable {
		t.Errorf("the installed service is open to everybody on the machine: %+v, %v", cfg.Auth, err)
	}
	if err := os.WriteFile(own, []byte("log: {level: debug}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	install()
	if data, _ := os.ReadFile(own); string(data) != "log: {level: debug}\n" {
		t.Errorf("an update replaced the configuration by %q", data)
	}
	if _, err := os.Stat(own + ".new"); err != nil {
		t.Errorf("the shipped configuration is not beside the old one: %v", err)
	}
}
