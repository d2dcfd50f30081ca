// Command licenses writes web/licenses.json: the packages of others in the binary, with their licences. Those are the
// modules of Go that are linked into the appliance, and the packages of npm of which something is in web/dist, which
// the console's build lists. A package whose licence is not known, or asks for more than to be named, is an error.
//
// It is apart because it is a tool of the build: `go generate ./web`. It needs the modules and web/node_modules; its
// test needs neither.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/wayside-edge/wayside/web"
)

const linked = "github.com/wayside-edge/wayside/cmd/appliance"

// source is a package and the folder that has its licence.
type source struct{ kind, name, version, dir string }

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "licenses:", err)
		os.Exit(1) //nolint:forbidigo // a build command, nothing to clean up
	}
}

// run writes the file of the folder web.
func run(dir string) error {
	found, err := sources(dir)
	if err != nil {
		return err
	}
	l, err := collect(found)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(l); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return os.WriteFile(filepath.Join(dir, "licenses.json"), out.Bytes(), 0o644) //nolint:forbidigo,gosec,wrapcheck // a source, read by everybody
}

// sources gives all packages in the order of their names, Go first.
func sources(dir string) ([]source, error) {
	out, err := goToolchain(dir)
	if err != nil {
		return nil, err
	}
	modules, err := goModules(dir)
	if err != nil {
		return nil, err
	}
	packages, err := npmPackages(dir)
	return slices.Concat(out, modules, packages), err
}

// goToolchain is the standard library and the runtime, of the version that go.mod asks for.
func goToolchain(dir string) ([]source, error) {
	mod, err := os.ReadFile(filepath.Join(dir, "..", "go.mod"))
	if err != nil {
		return nil, fmt.Errorf("read go.mod: %w", err)
	}
	m := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod)
	if m == nil {
		return nil, errors.New("go.mod names no version of Go")
	}
	root, err := goCommand(dir, nil, "env", "GOROOT")
	return []source{{"go", "Go standard library", string(m[1]), strings.TrimSpace(string(root))}}, err
}

// goModules are those that are linked on any machine the appliance is built for.
func goModules(dir string) ([]source, error) {
	const format = `{{with .Module}}{{if not .Main}}{{.Path}}|{{.Version}}|{{.Dir}}{{end}}{{end}}`
	var lines []string
	for _, arch := range []string{"amd64", "arm64"} {
		out, err := goCommand(dir, []string{"GOOS=linux", "GOARCH=" + arch, "CGO_ENABLED=0"}, "list", "-deps", "-f", format, linked)
		if err != nil {
			return nil, err
		}
		lines = append(lines, strings.Fields(string(out))...)
	}
	slices.Sort(lines)
	var list []source
	for _, line := range slices.Compact(lines) {
		part := strings.SplitN(line, "|", 3)
		list = append(list, source{"go", part[0], part[1], part[2]})
	}
	return list, nil
}

func goCommand(dir string, env []string, args ...string) ([]byte, error) {
	cmd := exec.Command("go", args...) //nolint:gosec,noctx // a build command, which ends with it
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go %s: %w", args[0], err)
	}
	return out, nil
}

// npmPackages are those that the console's build has put something of into web/dist, with the versions of the lock.
func npmPackages(dir string) ([]source, error) {
	keys, err := os.ReadFile(filepath.Join(dir, "dist", "packages.txt"))
	if err != nil {
		return nil, fmt.Errorf("read what is in the console (make web): %w", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return nil, fmt.Errorf("read the lock: %w", err)
	}
	var lock struct {
		Packages map[string]struct {
			Version string `json:"version"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("read the lock: %w", err)
	}
	var list []source
	for key := range strings.FieldsSeq(string(keys)) {
		p, ok := lock.Packages[key]
		if !ok {
			return nil, fmt.Errorf("%s is in the console, but not in package-lock.json", key)
		}
		list = append(list, source{"npm", key[strings.LastIndex(key, "node_modules/")+len("node_modules/"):], p.Version, filepath.Join(dir, key)})
	}
	return list, nil
}

// collect reads the texts. Equal ones are kept once.
func collect(found []source) (web.Licenses, error) {
	l := web.Licenses{Packages: []web.LicensedPackage{}, Texts: []string{}}
	for _, s := range found {
		p := web.LicensedPackage{Kind: s.kind, Name: s.name, Version: s.version, Texts: []int{}}
		texts, err := textsOf(s)
		if err != nil {
			return l, err
		}
		if p.License, err = licenseOf(s.name, strings.Join(texts, "\n")); err != nil {
			return l, err
		}
		for _, text := range texts {
			at := slices.Index(l.Texts, text)
			if at < 0 {
				at = len(l.Texts)
				l.Texts = append(l.Texts, text)
			}
			p.Texts = append(p.Texts, at)
		}
		l.Packages = append(l.Packages, p)
	}
	return l, nil
}

// textsOf reads the files of a folder that say how it is licensed.
func textsOf(s source) ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, fmt.Errorf("look for the licence of %s: %w", s.name, err)
	}
	named := regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|patents)(\.(txt|md))?$`)
	var texts []string
	for _, e := range entries {
		if e.IsDir() || !named.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the licence of %s: %w", s.name, err)
		}
		texts = append(texts, clean(s.name, string(text)))
	}
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s has no licence", s.name)
	}
	return texts, nil
}

// clean takes away line ends of other systems, and what is of no concern here.
func clean(name, text string) string {
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r\f")
	}
	text = strings.Join(lines, "\n")
	if from, ok := leftOut()[name]; ok {
		text, _, _ = strings.Cut(text, from)
	}
	return strings.TrimSpace(text) + "\n"
}
