package ingest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// Wrapping looks into recordings that come wrapped: gzip, zstd, zip, tar.
type Wrapping interface {
	// Inspect tells what a stored recording holds. An error says that it could not be found out now: nothing is recorded.
	Inspect(ctx context.Context, r Parcel) (Inside, error)
}

// Parcel is a recording that may be wrapped.
type Parcel struct {
	Input    *os.File
	Size     int64
	Head     []byte // its first bytes
	Name     string
	Decoder  string // plugin id; "" = find out
	Together bool   // see Upload
	Most     int64  // unpacked bytes that looking into it may cost: 0 = no bound of its own, less = none are left
}

// Inside is what a recording holds. The zero value is one that is not wrapped.
type Inside struct {
	Wrapped string // see catalog.File
	Parts   []catalog.Part
	Match   Match
	Known   bool             // Match is set: a decoder recognised what is inside
	Failure *catalog.Failure // why it can never be decoded, nil = it may
	Cost    int64            // bytes that were unpacked to find it out
}

// failure is why what is planned cannot be done, nil where it can.
func (p *plan) failure() *catalog.Failure {
	switch {
	case p.inside.Failure != nil:
		return p.inside.Failure
	case !p.known:
		return &catalog.Failure{Code: errcode.UnknownFormat, Message: "no decoder knows this format"}
	}
	return nil
}

// recogniseBlob finds the decoder of a stored recording, by what is in it where it came wrapped.
func (in *Ingester) recogniseBlob(ctx context.Context, p *plan, u Upload, sha string, s sample) error {
	if !p.inspected {
		if err := in.inspect(ctx, p, u, sha, s); err != nil {
			return err
		}
		p.inspected = true
	}
	if p.inside.Wrapped == "" && p.inside.Failure == nil {
		return in.recognise(ctx, p, u, s)
	}
	if p.known || !p.inside.Known {
		return nil
	}
	m := p.inside.Match
	params, err := in.Detector.Params(m.Plugin.ID, u.Params)
	if err != nil {
		return fmt.Errorf("check parameters: %w", err)
	}
	p.match, p.known, p.params = m, true, params
	return nil
}

func (in *Ingester) inspect(ctx context.Context, p *plan, u Upload, sha string, s sample) error {
	if in.Wrapping == nil {
		return nil
	}
	f, err := in.Blobs.Open(sha)
	if err != nil {
		return fmt.Errorf("open recording: %w", err)
	}
	r := Parcel{Input: f, Size: s.size, Head: s.head, Name: u.Name, Together: u.Together}
	if p.known {
		r.Decoder = p.match.Plugin.ID
	}
	if p.look == nil {
		p.inside, err = in.Wrapping.Inspect(ctx, r)
	} else {
		p.inside, err = p.look.into(ctx, in.Wrapping, r)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("look into recording: %w", err)
	}
	return nil
}

// childMessage bounds the text that says why a file found inside another is not decoded: it may hold names of parts.
const childMessage = 300

// short gives why a file found inside another is not decoded, in a text whose length is bounded.
func short(f *catalog.Failure) *catalog.Failure {
	if f == nil || len(f.Message) <= childMessage {
		return f
	}
	cut := *f
	cut.Message = strings.ToValidUTF8(f.Message[:childMessage], "") + "…"
	return &cut
}

// Lists of parts in the records of files that were found inside another. All of them are recorded in one commit, so the
// lists are bounded: each, and in sum. Parts beyond it are counted; who needs them asks the archive.
const (
	childParts    = 8 << 10
	childPartsSum = 64 << 10
)

// fewParts gives the first of the parts that take no more than a number of bytes in a record, the number of all, and
// the bytes that are left.
func fewParts(parts []catalog.Part, room int) (first []catalog.Part, count, left int) {
	most := min(room, childParts)
	size := 0
	for i := range parts {
		n := 160 + 2*len(parts[i].Name)
		if size+n > most {
			return parts[:i], len(parts), room - size
		}
		size += n
	}
	return parts, len(parts), room - size
}
