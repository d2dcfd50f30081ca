// Package apidocs owns the page on which people read an OpenAPI document: every operation with its parameters, its bodies,
// its answers and a command for curl.
//
// The page is made once, from the document that is served, and is complete in itself: nothing is loaded from anywhere
// else, and no script or style stands inline, so the strictest Content-Security-Policy holds and a box without a network
// shows it. It can be read without its script, which only searches. The package is apart because it knows OpenAPI and HTML
// and nothing of the appliance: it imports nothing of Wayside. It has no goroutines and no locks.
package apidocs

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
)

//go:embed page
var files embed.FS

// Policy is the Content-Security-Policy under which the page works.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Asset is a file that the page needs.
type Asset struct {
	Name      string // in the folder of the page: docs/NAME
	MediaType string
	Body      []byte
}

// Render makes the page of a document.
func Render(document []byte) ([]byte, error) {
	var d document31
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("read openapi document: %w", err)
	}
	t, err := template.New("docs.html").Funcs(template.FuncMap{"inline": inline}).ParseFS(files, "page/docs.html")
	if err != nil {
		return nil, fmt.Errorf("parse page: %w", err)
	}
	v, err := d.view()
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, v); err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return out.Bytes(), nil
}

// Assets gives what the page needs.
func Assets() ([]Asset, error) {
	var out []Asset
	for _, a := range []Asset{{Name: "docs.css", MediaType: "text/css; charset=utf-8"}, {Name: "docs.js", MediaType: "text/javascript; charset=utf-8"}} {
		body, err := files.ReadFile("page/" + a.Name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", a.Name, err)
		}
		a.Body = body
		out = append(out, a)
	}
	return out, nil
}
