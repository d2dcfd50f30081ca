// Command build compiles the example decoders of the SDKs to WebAssembly: bin/examples/{go,c,rust}/{tracklog,chanlog}.wasm. It is
// a command of its own because C and Rust need compilers that the project does not: it says which are missing, with the
// command that installs them, and installs them with -install where it may.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// target is what guests in Rust are built for.
const target = "wasm32-unknown-unknown"

func main() {
	out := flag.String("o", filepath.FromSlash("bin/examples"), "folder of the modules")
	langs := flag.String("langs", "go,c,rust", "languages to build")
	install := flag.Bool("install", false, "install missing packages with apt-get, as root")
	flag.Parse()
	b := builder{out: *out, log: os.Stdout}
	if err := b.run(context.Background(), strings.Split(*langs, ","), *install); err != nil {
		fmt.Fprintln(os.Stderr, "build examples:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// builder compiles the examples with the tools that it found.
type builder struct {
	out   string
	log   io.Writer
	clang string
	rustc string
}

func (b *builder) run(ctx context.Context, langs []string, install bool) error {
	missing := b.find(ctx, langs)
	if len(missing) > 0 {
		command := append([]string{"apt-get", "install", "--no-install-recommends", "-y"}, missing...)
		if _, err := exec.LookPath("apt-get"); err != nil || !install || os.Geteuid() != 0 {
			return fmt.Errorf("missing: %s; install with: %s", strings.Join(missing, " "), strings.Join(command, " "))
		}
		if err := b.tool(ctx, nil, command[0], command[1:]...); err != nil {
			return err
		}
		if missing = b.find(ctx, langs); len(missing) > 0 {
			return fmt.Errorf("still missing: %s", strings.Join(missing, " "))
		}
	}
	for _, lang := range langs {
		if err := b.build(ctx, lang); err != nil {
			return fmt.Errorf("%s: %w", lang, err)
		}
	}
	return nil
}

// find looks for the tools and gives the Debian packages of those that are not there.
func (b *builder) find(ctx context.Context, langs []string) (missing []string) {
	for _, lang := range langs {
		switch lang {
		case "c":
			var err error
			if b.clang, err = exec.LookPath("clang"); err != nil {
				missing = append(missing, "clang")
			}
			if _, err := exec.LookPath("wasm-ld"); err != nil {
				missing = append(missing, "lld")
			}
		case "rust":
			if b.rustc = findRust(ctx); b.rustc == "" {
				missing = append(missing, "rustc", "libstd-rust-dev-wasm32")
			}
		}
	}
	return missing
}

// findRust gives a Rust compiler that has the library of the target: the first one of PATH often has not.
func findRust(ctx context.Context) string {
	for _, rustc := range []string{os.Getenv("RUSTC"), "rustc", "/usr/bin/rustc"} {
		if rustc == "" {
			continue
		}
		dir, err := exec.CommandContext(ctx, rustc, "--print", "target-libdir", "--target", target).Output()
		if err != nil {
			continue
		}
		if libs, _ := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "libcore-*.rlib")); len(libs) > 0 {
			return rustc
		}
	}
	return ""
}

func (b *builder) build(ctx context.Context, lang string) error {
	dir := filepath.Join(b.out, lang)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	for _, name := range []string{"tracklog", "chanlog"} {
		if err := b.module(ctx, lang, name, filepath.Join(dir, name+".wasm")); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// module compiles one decoder. The first of them lies in the language's own folder.
func (b *builder) module(ctx context.Context, lang, name, module string) error {
	sub := ""
	if name != "tracklog" {
		sub = "/" + name
	}
	var err error
	switch lang {
	case "go":
		err = b.tool(ctx, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0"}, "go", "build", "-trimpath", "-buildvcs=false",
			"-buildmode=c-shared", "-ldflags=-s -w", "-o", module, "./sdk/examples/go"+sub)
	case "c":
		err = b.tool(ctx, nil, b.clang, "--target=wasm32", "-std=c99", "-O2", "-Wall", "-Wextra", "-Werror", "-nostdlib",
			"-Wl,--no-entry", "-Wl,--strip-all", "-Isdk/c", "-o", module, "sdk/examples/c/"+name+".c")
	case "rust":
		err = b.rust(ctx, name, "sdk/examples/rust"+sub+"/src/lib.rs", module)
	default:
		err = errors.New("no such language")
	}
	if err != nil {
		return err
	}
	info, err := os.Stat(module)
	if err != nil {
		return fmt.Errorf("look at the module: %w", err)
	}
	_, err = fmt.Fprintf(b.log, "%s\t%d bytes\n", module, info.Size())
	return err //nolint:wrapcheck // printing
}

// rust compiles crate and example without cargo, which the Debian packages do without too.
func (b *builder) rust(ctx context.Context, name, source, module string) error {
	tmp, err := os.MkdirTemp("", "wayside-rust-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer os.RemoveAll(tmp)
	lib := filepath.Join(tmp, "libwayside.rlib")
	common := []string{"--edition=2021", "--target=" + target, "-Copt-level=3", "-Cpanic=abort", "-Ccodegen-units=1"}
	args := append([]string{"--crate-type=rlib", "--crate-name=wayside", "-o", lib, "sdk/rust/src/lib.rs"}, common...)
	if err := b.tool(ctx, nil, b.rustc, args...); err != nil {
		return err
	}
	args = append([]string{
		"--crate-type=cdylib", "--crate-name=" + name, "-Clto=fat", "-Cstrip=symbols",
		"--extern=wayside=" + lib, "-o", module, source,
	}, common...)
	return b.tool(ctx, nil, b.rustc, args...)
}

func (b *builder) tool(ctx context.Context, env []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w", filepath.Base(name), err)
	}
	return nil
}
