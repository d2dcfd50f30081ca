package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// maxFile bounds a configuration file; the complete commented one has less than a twentieth of it.
const maxFile = 1 << 20

// file reads the YAML layer.
func (l *loader) file(o Options) {
	path := cmp.Or(o.File, l.env["WAYSIDE_CONFIG"])
	if f := o.Flags; o.File == "" && f != nil {
		if v, err := f.GetString("config"); err == nil && v != "" {
			path = v
		}
	}
	named := path != ""
	if !named {
		path = cmp.Or(o.systemFile, DefaultFile)
	}
	data, mode, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return
	}
	if err != nil {
		l.problems = append(l.problems, problem{place: path, msg: cause(err)})
		return
	}
	y := &yamlFile{loader: l, path: path, values: map[string]any{}, places: map[string]string{}}
	y.read(data)
	l.add(y.values, y.places)
	for name := range y.values {
		if l.table.byName[name].secret && mode.Perm()&0o004 != 0 {
			l.warnings = append(l.warnings, fmt.Sprintf("%s: holds %s and everyone on this machine can read it", path, name))
		}
	}
}

// cause words a file error without the path, which stands before it.
func cause(err error) string {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + pe.Err.Error()
	}
	return err.Error()
}

func readFile(path string) ([]byte, fs.FileMode, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.IsDir() {
		return nil, 0, errors.New("is a folder")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, 0, err
	}
	if len(data) > maxFile {
		return nil, 0, errors.New("is larger than 1 MiB")
	}
	return data, info.Mode(), nil
}

// yamlFile walks one document. Every value keeps the text it was written with, so that `off`, `1_000` and `010` mean
// what they look like; the key's type decides how it is parsed.
type yamlFile struct {
	*loader
	path   string
	values map[string]any
	places map[string]string
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)

func (y *yamlFile) read(data []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return // an empty file
		}
		y.syntax(err)
		return
	}
	if len(doc.Content) == 1 {
		y.mapping("", doc.Content[0])
	}
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case err == nil:
		y.wrong(&more, "", "a second document begins here; one is read")
	case !errors.Is(err, io.EOF):
		y.syntax(err)
	}
}

func (y *yamlFile) syntax(err error) {
	place, msg := y.path, err.Error()
	if m := yamlLine.FindStringSubmatch(strings.TrimSpace(msg)); m != nil {
		msg = "is no YAML: " + m[2]
		if m[1] != "" {
			place += ":" + m[1]
		}
	}
	y.problems = append(y.problems, problem{place: place, msg: msg})
}

func (y *yamlFile) place(n *yaml.Node) string { return y.path + ":" + strconv.Itoa(n.Line) }

func (y *yamlFile) wrong(n *yaml.Node, key, msg string) {
	y.problems = append(y.problems, problem{y.place(n), key, msg})
}

// mapping walks a section; at is "" for the document itself.
func (y *yamlFile) mapping(at string, n *yaml.Node) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		what := "the file"
		if at != "" {
			what = "section " + at
		}
		y.wrong(n, "", what+" must hold `name: value` lines")
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.Kind != yaml.ScalarNode {
			y.wrong(name, at, "a name is meant here")
			continue
		}
		full := name.Value
		if at != "" {
			full = at + "." + full
		}
		switch k := y.table.byName[full]; {
		case k != nil:
			y.value(k, name, value)
		case y.table.section(full):
			y.mapping(full, value)
		default:
			y.unknown(at, full, name)
		}
	}
}

func (y *yamlFile) unknown(at, full string, n *yaml.Node) {
	valid := y.table.names()
	if at == "" {
		seen := map[string]bool{}
		for i := range y.table.keys {
			if s := y.table.keys[i].section(); !seen[s] {
				seen[s] = true
				valid = append(valid, s)
			}
		}
	}
	y.wrong(n, "", unknown("key", full, valid))
}

func (y *yamlFile) value(k *key, name, n *yaml.Node) {
	if earlier, twice := y.places[k.name]; twice {
		y.wrong(name, k.name, "is set twice, first at "+earlier)
		return
	}
	if isNull(n) {
		return // `key:` alone leaves the default
	}
	if k.nested() {
		y.settings(k, n)
		return
	}
	raw, ok := plain(n)
	if !ok {
		y.wrong(n, k.name, "a value, a list of values or a mapping of names to values is meant")
		return
	}
	y.values[k.name], y.places[k.name] = raw, y.place(n)
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

// plain gives the raw value of a node. Aliases are refused: nothing here is long enough to need them.
func plain(n *yaml.Node) (any, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, true
	case yaml.SequenceNode:
		list := make([]string, 0, len(n.Content))
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, false
			}
			list = append(list, item.Value)
		}
		return list, true
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, item := n.Content[i], n.Content[i+1]
			if name.Kind != yaml.ScalarNode || item.Kind != yaml.ScalarNode {
				return nil, false
			}
			if _, twice := m[name.Value]; twice {
				return nil, false
			}
			m[name.Value] = item.Value
		}
		return m, true
	default:
		return nil, false
	}
}
