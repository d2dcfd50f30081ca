package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	// MaxParts bounds the parts of one decode.
	MaxParts = abi.MaxParts
	// maxPartNames bounds the names of all parts together, in bytes: then the message to the worker stays below
	// wire.MaxBody, whatever is in them and with the list of parts once more among the metadata of the tables.
	maxPartNames = 1 << 20
)

// Part is one of several files that are decoded as one recording. Offsets in the result count the bytes of the parts
// in their order, back to back.
type Part struct {
	Name   string // as the decoder gets it, without folders
	Size   int64
	SHA256 string // hex, of its bytes; PartsSHA256 needs it, a decode does not
	At     int64  // of its bytes in Request.Input; where it is 0 in all parts, they lie back to back
}

// PartsSHA256 identifies a recording that came as several files: the SHA-256, in hex, of each part's name, a zero byte,
// its SHA-256 in hex and a newline, in the order of the parts.
func PartsSHA256(parts []Part) string {
	h := sha256.New()
	for i := range parts {
		_, _ = io.WriteString(h, parts[i].Name+"\x00"+parts[i].SHA256+"\n") // a hash does not fail
	}
	return hex.EncodeToString(h.Sum(nil))
}

// PartName makes a file's name one that a part may have: valid UTF-8 without zero bytes, of a bounded length.
func PartName(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	for len(s) > abi.MaxPartName {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}

// checkParts refuses parts that are no parts of the input.
func (r *Request) checkParts() error {
	if r.Parts == nil {
		return nil
	}
	if len(r.Parts) == 0 || len(r.Parts) > MaxParts {
		return errcode.Invalid("parts", "%d parts, allowed are 1 to %d", len(r.Parts), MaxParts)
	}
	names, left := 0, r.Size
	for i := range r.Parts {
		p := &r.Parts[i]
		if p.Name != PartName(p.Name) {
			return errcode.Invalid("parts", "the name of part %d is longer than %d bytes or no text", i, abi.MaxPartName)
		}
		if p.Size < 0 || p.Size > left || p.At < 0 || p.At > math.MaxInt64-p.Size {
			return errcode.Invalid("parts", "the size of part %d is not within the input", i)
		}
		names += len(p.Name)
		left -= p.Size
	}
	if left != 0 {
		return errcode.Invalid("parts", "the parts are %d bytes shorter than the input", left)
	}
	if names > maxPartNames {
		return errcode.Invalid("parts", "the names of the parts have %d bytes, the limit is %d", names, maxPartNames)
	}
	return nil
}

func wireParts(parts []Part) []wire.Part {
	var out []wire.Part
	scattered := slices.ContainsFunc(parts, func(p Part) bool { return p.At != 0 })
	at := int64(0)
	for i := range parts {
		p := &parts[i]
		if scattered {
			at = p.At
		}
		out = append(out, wire.Part{Name: p.Name, Size: p.Size, At: at})
		at += p.Size
	}
	return out
}

// Sequence is the place in the files of a format that orders them: files of one recording are sorted by its bytes.
type Sequence struct {
	At     int64
	Length int
}

func sequenceOf(s *abi.Sequence) *Sequence {
	if s == nil {
		return nil
	}
	return &Sequence{At: s.At, Length: s.Length}
}

// Key gives the bytes at that place; head is at least the first abi.SniffHead bytes of the file, or all it has. false =
// the file ends before.
func (s *Sequence) Key(head []byte) (string, bool) {
	if s.At < 0 || s.Length < 0 || s.At+int64(s.Length) > int64(len(head)) {
		return "", false
	}
	return string(head[s.At:][:s.Length]), true
}
