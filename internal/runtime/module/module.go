// Package module reads WebAssembly modules without running them: their sections, the static limits of a plugin, the
// manifest and its rules for recognising files, and the rewriting that stores a module already initialised.
//
// It is apart because both the serving process (manifest, sniff rules) and the workers (limits, pre-initialisation)
// need it, and because everything in it parses untrusted bytes: no function here panics, allocates more than a small
// multiple of its input, or trusts a length before comparing it with what is left. It owns no goroutine and no lock,
// and it is not a validator: wazero validates code; this package only refuses what wazero would take too long for.
package module

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Section numbers of the binary format.
const (
	secCustom    = 0
	secType      = 1
	secImport    = 2
	secFunction  = 3
	secTable     = 4
	secMemory    = 5
	secGlobal    = 6
	secExport    = 7
	secStart     = 8
	secElement   = 9
	secCode      = 10
	secData      = 11
	secDataCount = 12
)

// Page is the size of a WebAssembly page.
const Page = 64 << 10

// maxSections bounds the sections of a module. Real ones have some twenty, and one more for each golden vector; a list of
// millions of empty ones would take many times the memory of the module, in the serving process too.
const maxSections = 4096

var header = []byte("\x00asm\x01\x00\x00\x00") //nolint:gochecknoglobals // constant bytes

// errMalformed is what the reader reports; callers say in which section.
var errMalformed = errors.New("malformed")

// Section is one section of a module.
type Section struct {
	ID   byte
	Name string // of a custom section
	Body []byte // without the name of a custom section; a part of the module's bytes
}

// Sections splits a module. The bodies alias b.
func Sections(b []byte) ([]Section, error) {
	if len(b) < len(header) || string(b[:len(header)]) != string(header) {
		return nil, rejected("not a WebAssembly module of version 1")
	}
	r := reader{b: b, p: len(header)}
	var out []Section
	for r.more() {
		if len(out) == maxSections {
			return nil, rejected("the module has more than %d sections", maxSections)
		}
		id := r.byte()
		body := r.take(r.u32())
		if r.err != nil {
			return nil, rejected("section %d: %v", len(out), r.err)
		}
		s := Section{ID: id, Body: body}
		if id == secCustom {
			c := reader{b: body}
			s.Name = string(c.take(c.u32()))
			if c.err != nil {
				return nil, rejected("name of custom section %d: %v", len(out), c.err)
			}
			s.Body = body[c.p:]
		}
		out = append(out, s)
	}
	return out, nil
}

// Hash gives the identity of a module: the SHA-256 of its bytes in hex.
func Hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// EmbeddedManifest gives the bytes of the section wayside.manifest, nil if the module has none.
func EmbeddedManifest(b []byte) ([]byte, error) {
	secs, err := Sections(b)
	if err != nil {
		return nil, err
	}
	for _, s := range secs {
		if s.ID == secCustom && s.Name == abi.SectionManifest {
			return s.Body, nil
		}
	}
	return nil, nil
}

// WithCustom returns the module with a custom section appended.
func WithCustom(b []byte, name string, body []byte) []byte {
	payload := appendName(nil, name)
	payload = append(payload, body...)
	out := append([]byte(nil), b...)
	return appendSection(out, secCustom, payload)
}

func appendSection(dst []byte, id byte, body []byte) []byte {
	dst = append(dst, id)
	dst = appendU32(dst, uint32(len(body)))
	return append(dst, body...)
}

func appendName(dst []byte, s string) []byte {
	dst = appendU32(dst, uint32(len(s)))
	return append(dst, s...)
}

// join puts sections together to a module.
func join(secs []Section) []byte {
	n := len(header)
	for _, s := range secs {
		n += len(s.Body) + len(s.Name) + 12
	}
	out := append(make([]byte, 0, n), header...)
	for _, s := range secs {
		body := s.Body
		if s.ID == secCustom {
			body = append(appendName(nil, s.Name), s.Body...)
		}
		out = appendSection(out, s.ID, body)
	}
	return out
}

// rejected is the error for a module that may not become a plugin.
func rejected(format string, args ...any) error {
	return errcode.New(errcode.PluginRejected, fmt.Sprintf(format, args...))
}
