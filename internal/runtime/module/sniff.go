package module

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/bits"
	"regexp"
	"strconv"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	regexWindow    = 4 << 10
	maxComment     = 8
	maxWalkRecords = 1024
	maxWalkRanges  = 64
	maxRules       = 1024 // of one manifest: all of them are run on every file
	commentCost    = 50   // what looking for a line among 64 KiB counts, in states of an expression
)

// Confidence of a match, by kind of rule. A magic number gains with what it compares; a walk over records is as good as a
// long one; text patterns are the weakest.
const (
	confBytes    = 0.70
	confPerByte  = 0.03
	confBytesTop = 0.95
	confWalk     = 0.95
	confRegex    = 0.85
)

// Rule is a sniff rule made ready to run. It runs natively, in time proportional to what it looks at.
type Rule struct {
	offset int
	bytes  []byte
	mask   []byte
	weight float64 // bytes that are compared; bits of a mask are parts of one
	regex  *regexp.Regexp
	// comment makes regex look at the first line that holds anything; empty: at the first line.
	comment []byte
	walk    *walkRule
}

type walkRule struct {
	abi.Walk
	lengths [256]int16 // by type: -2 unknown, -1 any
}

func compileRule(s *abi.Sniff, all *Patterns) (Rule, error) {
	kinds := 0
	for _, set := range []bool{s.Bytes != "", s.Regex != "", s.Walk != nil} {
		if set {
			kinds++
		}
	}
	if kinds != 1 {
		return Rule{}, errors.New("exactly one of bytes, regex and walk is to be set")
	}
	if s.Comment != "" && s.Regex == "" {
		return Rule{}, errors.New("comment goes with regex only")
	}
	switch {
	case s.Regex != "":
		return compileRegex(s, all)
	case s.Walk != nil:
		w, err := compileWalk(s.Walk)
		return Rule{walk: w}, err
	}
	return compileMagic(s)
}

func compileMagic(s *abi.Sniff) (Rule, error) {
	want, err := hex.DecodeString(s.Bytes)
	if err != nil {
		return Rule{}, fmt.Errorf("bytes: %w", err)
	}
	mask, err := hex.DecodeString(s.Mask)
	if err != nil {
		return Rule{}, fmt.Errorf("mask: %w", err)
	}
	if len(mask) != 0 && len(mask) != len(want) {
		return Rule{}, errors.New("mask and bytes differ in length")
	}
	if s.Offset < 0 || s.Offset+int64(len(want)) > abi.SniffHead {
		return Rule{}, fmt.Errorf("the bytes do not lie in the first %d bytes of a file", abi.SniffHead)
	}
	weight := 8 * len(want)
	if len(mask) != 0 {
		weight = 0
	}
	for i := range mask {
		want[i] &= mask[i]
		weight += bits.OnesCount8(mask[i])
	}
	if weight == 0 {
		return Rule{}, errors.New("the mask compares nothing: every file would match")
	}
	return Rule{offset: int(s.Offset), bytes: want, mask: mask, weight: float64(weight) / 8}, nil
}

func compileWalk(w *abi.Walk) (*walkRule, error) {
	switch {
	case w.Records < 1 || w.Records > maxWalkRecords || w.Least < 1 || w.Least > w.Records:
		return nil, fmt.Errorf("walk: needs 1 ≤ least ≤ records ≤ %d", maxWalkRecords)
	case w.Header < 1 || w.Header > 4096 || w.TypeAt < 0 || w.TypeAt >= w.Header || w.LengthAt < 0 || w.LengthAt >= w.Header:
		return nil, errors.New("walk: type and length are to lie in a header of 1 to 4096 bytes")
	case len(w.Lengths) == 0:
		return nil, errors.New("walk: no types")
	case len(w.Ranges) > maxWalkRanges:
		return nil, fmt.Errorf("walk: %d ranges, the limit is %d", len(w.Ranges), maxWalkRanges)
	}
	out := &walkRule{Walk: *w}
	for i := range out.lengths {
		out.lengths[i] = -2
	}
	for key, n := range w.Lengths {
		typ, err := strconv.ParseUint(key, 10, 8)
		if err != nil || n < -1 || n > 255 {
			return nil, fmt.Errorf("walk: %.20q → %d is not a type (0–255) and a length (-1–255)", key, n)
		}
		out.lengths[typ] = int16(n)
	}
	for _, r := range w.Ranges {
		if r.At < 0 || r.At >= w.Header || r.Min > r.Max {
			return nil, fmt.Errorf("walk: range at %d is not in the header or empty", r.At)
		}
	}
	return out, nil
}

// Match gives the confidence (0–1, 0 = no match) that a file of size bytes that begins with head is what the rule
// recognises. head holds the first 64 KiB, or the whole file if that is shorter.
func (r *Rule) Match(head []byte, size int64) float64 {
	switch {
	case r.regex != nil:
		if line, ok := r.line(head); ok && r.regex.Match(line) {
			return confRegex
		}
	case r.walk != nil:
		if r.walk.match(head, size) {
			return confWalk
		}
	default:
		if r.magic(head) {
			return min(confBytes+confPerByte*r.weight, confBytesTop)
		}
	}
	return 0
}

func (r *Rule) magic(head []byte) bool {
	if len(r.bytes) == 0 || len(head) < r.offset+len(r.bytes) {
		return false
	}
	got := head[r.offset : r.offset+len(r.bytes)]
	if len(r.mask) == 0 {
		return bytes.Equal(got, r.bytes)
	}
	for i := range got {
		if got[i]&r.mask[i] != r.bytes[i] {
			return false
		}
	}
	return true
}

// match walks over records. A record counts when its header is in head, fits, and its body ends inside the file.
func (w *walkRule) match(head []byte, size int64) bool {
	pos := int64(0)
	for n := range w.Records {
		if pos == size {
			return n >= w.Least
		}
		if pos+int64(w.Header) > int64(len(head)) {
			return int64(len(head)) < size && n >= w.Least // beyond what is looked at
		}
		h := head[pos : pos+int64(w.Header)]
		want, length := w.lengths[h[w.TypeAt]], h[w.LengthAt]
		if want == -2 || (want >= 0 && want != int16(length)) {
			return false
		}
		for _, r := range w.Ranges {
			if v := h[r.At]; v < r.Min || v > r.Max {
				return false
			}
		}
		pos += int64(w.Header) + int64(length)
		if pos > size {
			return false
		}
	}
	return true
}
