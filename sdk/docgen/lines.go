package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// cPage documents wayside.h: the first comment, /* ## titles */, and each declaration with a /** comment.
func cPage(root string, out *bytes.Buffer) error {
	text, err := os.ReadFile(filepath.Join(root, "sdk", "c", "wayside.h"))
	if err != nil {
		return fmt.Errorf("read the header: %w", err)
	}
	head, _, _ := strings.Cut(string(text), "#endif /* WAYSIDE_H */")
	lines := strings.Split(head, "\n")
	for i := 0; i < len(lines); i++ {
		var kind string
		switch line := lines[i]; {
		case i == 0, strings.HasPrefix(line, "/* ## "), strings.HasPrefix(line, "/** "):
			kind = strings.Fields(line)[0]
		default:
			continue
		}
		var comment []string
		for ; ; i++ {
			line := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(lines[i], "/**"), "/*"), " *")
			end := strings.HasSuffix(lines[i], "*/")
			line = strings.TrimSuffix(strings.TrimSuffix(line, "/"), "*")
			comment = append(comment, strings.TrimRight(strings.TrimPrefix(line, " "), " "))
			if end || i+1 == len(lines) {
				break
			}
		}
		if kind == "/**" {
			code, name := cDeclaration(lines[i+1:])
			fmt.Fprintf(out, "### %s\n\n```c\n%s\n```\n\n", name, code)
		}
		fmt.Fprintf(out, "%s\n\n", strings.TrimSpace(strings.Join(comment, "\n")))
	}
	return nil
}

// cDeclaration gives the declaration that lines begin with, of a function without its body, of a macro its first
// line, and its name.
func cDeclaration(lines []string) (code, name string) {
	var decl []string
	if def, ok := strings.CutPrefix(lines[0], "#define "); ok {
		name = strings.TrimSpace(def[:strings.IndexAny(def, "( ")])
		args, _, _ := strings.Cut(def[len(name):], ")")
		return "#define " + name + args + ")", name
	}
	typedef := strings.HasPrefix(lines[0], "typedef ")
	for _, line := range lines {
		if !typedef && strings.HasSuffix(line, " {") {
			decl = append(decl, strings.TrimSuffix(line, " {")+";")
			break
		}
		decl = append(decl, line)
		if strings.HasSuffix(line, ";") && (!typedef || strings.HasPrefix(line, "}")) {
			break
		}
	}
	code = strings.Join(decl, "\n")
	for _, prefix := range []string{"WAYSIDE__INLINE ", "WAYSIDE__PRINTF(4, 5) ", "WAYSIDE__PRINTF(3, 4) ", "WAYSIDE__PRINTF(2, 3) "} {
		code = strings.TrimPrefix(code, prefix)
	}
	words := code
	if !typedef {
		words, _, _ = strings.Cut(code, "(")
	} else if i := strings.LastIndex(code, "}"); i >= 0 {
		words = strings.Trim(code[i:], "}; ")
	}
	fields := strings.FieldsFunc(words, func(r rune) bool { return r == ' ' || r == '*' })
	return code, fields[len(fields)-1]
}

// rustPage documents the public items of the crate in the order of its sources, the crate's own comment first.
func rustPage(root string, out *bytes.Buffer) error {
	for _, name := range []string{"lib", "manifest", "table", "found", "column", "input", "error", "host", "numbers", "memory"} {
		text, err := os.ReadFile(filepath.Join(root, "sdk", "rust", "src", name+".rs"))
		if err != nil {
			return fmt.Errorf("read a source: %w", err)
		}
		fmt.Fprintf(out, "## %s.rs\n\n", name)
		rustSource(string(text), name == "lib", out)
	}
	return nil
}

// rustSource writes the items of a source, each with its comment. Comments of fields and of hidden modules are left
// out: the former stand in the code of their type.
func rustSource(text string, crate bool, out *bytes.Buffer) {
	lines := strings.Split(text, "\n")
	var comment []string
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case strings.HasPrefix(line, "//!"):
			if crate {
				fmt.Fprintln(out, strings.TrimPrefix(strings.TrimPrefix(line, "//!"), " "))
			}
			continue
		case strings.HasPrefix(line, "///"):
			comment = append(comment, strings.TrimPrefix(strings.TrimPrefix(line, "///"), " "))
			continue
		case strings.HasPrefix(line, "#["):
			continue
		}
		if len(comment) > 0 && rustItem(line) {
			code, n := rustCode(lines[i:])
			i += n
			fmt.Fprintf(out, "\n```rust\n%s\n```\n\n%s\n", code, strings.Join(comment, "\n"))
		}
		comment = nil
	}
	fmt.Fprintln(out)
}

// rustItem says whether a line begins a public item.
func rustItem(line string) bool {
	for _, p := range []string{"pub fn ", "pub struct ", "pub enum ", "pub trait ", "pub const ", "macro_rules! "} {
		if strings.HasPrefix(line, p) {
			return true
		}
	}
	words := strings.Fields(line)
	return len(words) == 2 && strings.HasSuffix(line, ";") // a column of the macro columns!
}

// rustCode gives an item as it is documented: a type or a trait whole, anything else up to its body; and the lines
// that it takes beyond the first.
func rustCode(lines []string) (code string, more int) {
	first := strings.TrimSpace(lines[0])
	whole := strings.HasPrefix(first, "pub struct ") || strings.HasPrefix(first, "pub enum ") || strings.HasPrefix(first, "pub trait ")
	if !whole || strings.HasSuffix(first, ";") {
		first, _, _ = strings.Cut(first, " {")
		if name, typ, ok := strings.Cut(strings.TrimSuffix(first, ";"), " "); ok && !strings.HasPrefix(first, "pub ") && name != "macro_rules!" {
			first = fmt.Sprintf("pub fn %s(&self, name: &str, attr: Attr) -> Column<%s>", name, typ)
		}
		return strings.TrimSuffix(strings.TrimSuffix(first, ";"), " {"), 0
	}
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
	for i, line := range lines {
		if line == indent+"}" {
			return strings.Join(rustPublic(lines[:i+1]), "\n"), i
		}
	}
	return first, 0
}

// rustPublic leaves out the private fields of a struct.
func rustPublic(lines []string) []string {
	if !strings.Contains(lines[0], "struct ") {
		return lines
	}
	var out []string
	for i, line := range lines {
		field := strings.TrimSpace(line)
		if i == 0 || i == len(lines)-1 || strings.HasPrefix(field, "///") || strings.HasPrefix(field, "pub ") && !strings.HasPrefix(field, "pub(") {
			out = append(out, line)
		}
	}
	return out
}
