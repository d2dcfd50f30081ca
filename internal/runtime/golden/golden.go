// Package golden owns the canonical document of a decode: one text that holds every row, every issue and the end of
// it, so that two decodes are the same exactly when their documents are the same bytes.
//
// It is apart because three parties have to agree on it: the compile worker, which decodes a module's golden vectors
// before the module is installed, the author's tools, which write and compare *.golden.ndjson files, and the tests of
// the SDKs. It starts no goroutine.
//
// A document is NDJSON. Every row of every table is a line
//
//	{"table":"records","row":{"seq":1,…}}
//
// with the row as Wayside writes it everywhere (package table). Tables stand in the order of the manifest, then of
// their declaration, the issues last; rows in their own order. The last line says how the decode ended:
//
//	{"rows":{"records":12,"issues":1},"error":{"code":"truncated","offset":480}}
//
// with the tables that have rows, in the same order, and null for the error of a decode that ended well. Messages of
// errors are for people and may change; they are not part of it.
package golden

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Suffix is how the names of golden files end.
const Suffix = ".golden.ndjson"

// Table is one table of a decode.
type Table struct {
	Name string
	Rows io.Reader // NDJSON, as package table writes it; nil = no rows
}

// End is why a decode did not end well.
type End struct {
	Code   string `json:"code"`
	Offset *int64 `json:"offset"`
}

// Write writes the document of a decode. The tables are in their order, the issues last; end is nil for a decode that
// ended well.
func Write(w io.Writer, tables []Table, end *End) error {
	out := bufio.NewWriter(w)
	last := []byte(`{"rows":{`)
	for _, t := range tables {
		name, err := json.Marshal(t.Name)
		if err != nil {
			return fmt.Errorf("write golden document: %w", err)
		}
		n, err := rows(out, name, t.Rows)
		if err != nil {
			return fmt.Errorf("write golden document: table %s: %w", t.Name, err)
		}
		if n == 0 {
			continue
		}
		if last[len(last)-1] != '{' {
			last = append(last, ',')
		}
		last = fmt.Appendf(last, "%s:%d", name, n)
	}
	why, err := json.Marshal(end)
	if err != nil {
		return fmt.Errorf("write golden document: %w", err)
	}
	_, _ = fmt.Fprintf(out, "%s},\"error\":%s}\n", last, why)
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write golden document: %w", err)
	}
	return nil
}

// rows writes the lines of one table and counts them.
func rows(out *bufio.Writer, name []byte, in io.Reader) (n int64, err error) {
	if in == nil {
		return 0, nil
	}
	r := bufio.NewReader(in)
	for {
		line, err := r.ReadBytes('\n')
		if line = bytes.TrimSuffix(line, []byte{'\n'}); len(line) > 0 {
			n++
			_, _ = fmt.Fprintf(out, `{"table":%s,"row":%s}`+"\n", name, line) // kept by out until Flush
		}
		if errors.Is(err, io.EOF) {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("read rows: %w", err)
		}
	}
}

// Hash gives the SHA-256 of a document, hex, as it stands in a manifest's tests.
func Hash(doc []byte) string {
	h := sha256.Sum256(doc)
	return hex.EncodeToString(h[:])
}

// Diff tells where two documents begin to differ, for people; "" = they are the same.
func Diff(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	for n := 1; ; n++ {
		w, restW, moreW := bytes.Cut(want, []byte{'\n'})
		g, restG, moreG := bytes.Cut(got, []byte{'\n'})
		switch {
		case len(want) == 0:
			return fmt.Sprintf("line %d: nothing was expected, there is %s", n, short(g))
		case len(got) == 0:
			return fmt.Sprintf("line %d: missing: %s", n, short(w))
		case !bytes.Equal(w, g):
			return fmt.Sprintf("line %d:\n  expected %s\n  there is %s", n, short(w), short(g))
		case moreW != moreG:
			return fmt.Sprintf("line %d: only one of the two ends with a line feed", n)
		}
		want, got = restW, restG
	}
}

// short cuts a line to what is read at a glance.
func short(line []byte) string {
	const most = 1000
	if len(line) > most {
		return string(line[:most]) + "…"
	}
	return string(line)
}
