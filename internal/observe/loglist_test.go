package observe

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

const logListPath = "../../docs/log.md"

const logListHead = `# Lines of the log

<!-- Written by go generate ./internal/observe from the calls in the code. Do not edit. -->

What a line has besides the fields of its message:

| field | what it is |
|---|---|
| ` + "`timestamp`" + ` | RFC 3339 with microseconds, UTC |
| ` + "`level`" + ` | debug, info, warning, error |
| ` + "`service`" + ` | ` + "`service.name`" + ` of the configuration |
| ` + "`logger`" + ` | the part: api, app, audit, decoder, database, performance, queue, kv, plugin |
| ` + "`message`" + ` | what happened, below |
| ` + "`request_id`, `correlation_id`" + ` | of the request that it belongs to, also where it is a job's |
| ` + "`trace_id`" + ` | where the caller sent a ` + "`traceparent`" + ` |

Times are seconds unless their name says otherwise. Lines of a decoder's own have its words as message. Those of a decode have ` + "`decode_id` and `plugin`" + `, those of a job
` + "`job` and `type`" + ` besides. Fields that are put together while it runs are not
below: those of ` + "`alert_fired` and `alert_resolved`" + ` are ` + "`alert`, `subject`, `change`, `alert_level`, `value`, `limit`, `text`, `alert_id`" + `. In [observability.md](observability.md) stands how they are read,
what is hidden in them, and what ties them together.

`

// said is one kind of line.
type said struct {
	level, message string
	fields         []string
}

// TestLogListIsCurrent holds docs/log.md against the calls in the code; -update writes it.
func TestLogListIsCurrent(t *testing.T) {
	want := logList(t)
	if *update {
		if err := os.WriteFile(logListPath, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(logListPath)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(want, string(got)); d != "" {
		t.Errorf("docs/log.md is not current, run go generate ./internal/observe: %s", d)
	}
}

func logList(t *testing.T) string {
	t.Helper()
	lines := map[string][]said{} // by package
	fset := token.NewFileSet()
	for _, root := range []string{"../../internal", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
			if err != nil {
				return fmt.Errorf("parse: %w", err)
			}
			pkg := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../../")
			ast.Inspect(file, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if line, ok := logCall(call); ok {
						lines[pkg] = append(lines[pkg], line)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return renderLogList(lines)
}

func renderLogList(lines map[string][]said) string {
	var b strings.Builder
	b.WriteString(logListHead)
	in := map[string]int{}
	for _, pkg := range slices.Sorted(maps.Keys(lines)) {
		list := lines[pkg]
		slices.SortFunc(list, func(a, b said) int {
			return cmp.Or(cmp.Compare(a.message, b.message), cmp.Compare(a.level, b.level), slices.Compare(a.fields, b.fields))
		})
		list = slices.CompactFunc(list, func(a, b said) bool {
			return a.message == b.message && a.level == b.level && slices.Equal(a.fields, b.fields)
		})
		fmt.Fprintf(&b, "## `%s`\n\n| message | level | fields |\n|---|---|---|\n", pkg)
		for _, l := range list {
			names := make([]string, len(l.fields))
			for i, f := range l.fields {
				names[i] = "`" + f + "`"
				in[f]++
			}
			fmt.Fprintf(&b, "| %s | %s | %s |\n", strings.ReplaceAll(l.message, "|", `\|`), l.level, strings.Join(names, ", "))
		}
		b.WriteByte('\n')
	}
	b.WriteString("## All fields\n\n| field | kinds of lines that have it |\n|---|---|\n")
	for _, f := range slices.Sorted(maps.Keys(in)) {
		fmt.Fprintf(&b, "| `%s` | %d |\n", f, in[f])
	}
	return b.String()
}

// logCall reads a call of a slog.Logger with a literal message. What is added by With or as a list is not known here.
func logCall(call *ast.CallExpr) (said, bool) {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || !isLogger(sel.X) {
		return said{}, false
	}
	name, at := strings.CutSuffix(sel.Sel.Name, "Context")
	level := map[string]string{"Debug": "debug", "Info": "info", "Warn": "warning", "Error": "error"}[name]
	args := call.Args
	if at && len(args) > 0 {
		args = args[1:]
	}
	if name == "Log" && len(args) > 2 {
		level, args = "as it ended", args[2:]
	}
	if level == "" || len(args) == 0 {
		return said{}, false
	}
	message, ok := literal(args[0])
	if !ok {
		return said{}, false
	}
	line := said{level: level, message: message}
	for i := 1; i+1 < len(args); i += 2 {
		if field, ok := literal(args[i]); ok {
			line.fields = append(line.fields, field)
		}
	}
	return line, true
}

// isLogger tells a logger by its name, as all of them have it here.
func isLogger(x ast.Expr) bool {
	switch x := x.(type) {
	case *ast.Ident:
		return strings.HasSuffix(strings.ToLower(x.Name), "log") || strings.HasSuffix(x.Name, "ogger")
	case *ast.SelectorExpr:
		return isLogger(x.Sel)
	case *ast.CallExpr:
		if sel, ok := x.Fun.(*ast.SelectorExpr); ok && (sel.Sel.Name == "With" || sel.Sel.Name == "Logger") {
			return sel.Sel.Name == "Logger" || isLogger(sel.X)
		}
	}
	return false
}

func literal(x ast.Expr) (string, bool) {
	lit, ok := x.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
