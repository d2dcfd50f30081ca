package config

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// dotEnv reads the `.env` file of a folder, outside systemd only. A file that others could have written is not
// trusted: a warning says so and the start goes on without it.
func (l *loader) dotEnv(dir string) map[string]variable {
	if dir == "" || l.systemd() {
		return nil
	}
	path := filepath.Join(dir, ".env")
	data, err := readTrusted(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		l.warnings = append(l.warnings, path+": not read: "+cause(err))
		return nil
	}
	vars := map[string]variable{}
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, maxFile+1)
	for n := 1; lines.Scan(); n++ {
		name, value, ok := dotLine(lines.Text())
		if !ok {
			l.problems = append(l.problems, problem{place: fmt.Sprintf("%s:%d", path, n), msg: "is not of the form NAME=value"})
			continue
		}
		if name != "" && value != "" {
			vars[name] = variable{value, fmt.Sprintf("%s:%d %s", path, n, name)}
		}
	}
	return vars
}

// dotOwn applies the WAYSIDE_* variables of a `.env` file. Those of the process come after and win.
func (l *loader) dotOwn(dot map[string]variable) {
	values, places := map[string]any{}, map[string]string{}
	for name, v := range dot {
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if key := l.ownKey(name, v.value, v.place); key != "" {
			values[key], places[key] = v.value, v.place
		}
	}
	l.add(values, places)
}

// readTrusted reads a regular file that belongs to this user or root and that nobody else can write. It looks at the
// open file, so that it cannot be exchanged in between.
func readTrusted(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !ok || !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case st.Uid != 0 && int64(st.Uid) != int64(os.Geteuid()):
		return nil, errors.New("it belongs to another user")
	case info.Mode().Perm()&0o022 != 0:
		return nil, errors.New("others can write it; chmod go-w makes it trusted")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = errors.New("it is larger than 1 MiB")
	}
	return data, err
}

// dotLine parses NAME=value with an optional `export`, quotes and a comment. An empty name is a line that sets nothing.
func dotLine(line string) (name, value string, ok bool) {
	line = strings.TrimSpace(line)
	if line == "" || line[0] == '#' {
		return "", "", true
	}
	line = strings.TrimPrefix(line, "export ")
	name, value, ok = strings.Cut(line, "=")
	name, value = strings.TrimSpace(name), strings.TrimSpace(value)
	if !ok || name == "" || strings.ContainsAny(name, " \t\"'") {
		return "", "", false
	}
	if value != "" && (value[0] == '"' || value[0] == '\'') {
		end := strings.IndexByte(value[1:], value[0])
		if end < 0 {
			return "", "", false
		}
		return name, value[1 : 1+end], true
	}
	if i := strings.Index(value, " #"); i >= 0 {
		value = strings.TrimSpace(value[:i])
	}
	return name, value, true
}
