package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/doc"
	"go/format"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// goPage documents the exported declarations of sdk/go and sdk/go/abi.
func goPage(root string, out *bytes.Buffer) error {
	for _, dir := range []string{"sdk/go", "sdk/go/abi"} {
		if err := goPackage(filepath.Join(root, filepath.FromSlash(dir)), "github.com/wayside-edge/wayside/"+dir, out); err != nil {
			return err
		}
	}
	return nil
}

func goPackage(dir, path string, out *bytes.Buffer) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return fmt.Errorf("list sources: %w", err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read a source: %w", err)
		}
		f, err := parser.ParseFile(fset, filepath.Base(name), text, parser.ParseComments)
		if err != nil {
			return fmt.Errorf("parse a source: %w", err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, path)
	if err != nil {
		return fmt.Errorf("read doc comments: %w", err)
	}
	fmt.Fprintf(out, "## %s\n\n    import \"%s\"\n\n%s\n", p.Name, path, p.Markdown(p.Doc))
	item := func(title string, decl ast.Node, text string) error {
		var code bytes.Buffer
		if err := format.Node(&code, fset, decl); err != nil {
			return fmt.Errorf("print %s: %w", title, err)
		}
		fmt.Fprintf(out, "### %s\n\n```go\n%s\n```\n\n%s\n", title, code.Bytes(), p.Markdown(text))
		return nil
	}
	for _, v := range append(p.Consts, p.Vars...) {
		if err := item(strings.Join(v.Names, ", "), v.Decl, v.Doc); err != nil {
			return err
		}
	}
	funcs := func(prefix string, fs []*doc.Func) error {
		for _, f := range fs {
			f.Decl.Body = nil
			if err := item(prefix+f.Name, f.Decl, f.Doc); err != nil {
				return err
			}
		}
		return nil
	}
	if err := funcs("", p.Funcs); err != nil {
		return err
	}
	for _, t := range p.Types {
		if err := item(t.Name, t.Decl, t.Doc); err != nil {
			return err
		}
		for _, v := range t.Consts {
			if err := item(strings.Join(v.Names, ", "), v.Decl, v.Doc); err != nil {
				return err
			}
		}
		if err := funcs("", t.Funcs); err != nil {
			return err
		}
		if err := funcs(t.Name+".", t.Methods); err != nil {
			return err
		}
	}
	return nil
}
