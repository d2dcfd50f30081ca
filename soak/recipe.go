package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// kind is what a recording is like, and so what is to become of it.
type kind string

// Kinds of recordings.
const (
	small   kind = "small"   // clean, some kilobytes
	faults  kind = "faults"  // every record type, telegram parts missing and out of order
	middle  kind = "middle"  // clean, about a megabyte
	large   kind = "large"   // clean, tens of megabytes
	cut     kind = "cut"     // ends within a record
	unknown kind = "unknown" // of no format
	misled  kind = "misled"  // of no format, longer than a record, and sent to the rail decoder all the same
)

// recipe makes one recording: the same recipe always the same bytes, so that none is kept.
type recipe struct {
	Kind kind
	Seed uint64
	Size int64
}

// facts are what is known of a recording without the appliance.
type facts struct {
	sha     string
	size    int64
	records int64 // whole ones
}

// outcome is what is to become of a decode.
type outcome struct {
	status string
	code   string // of its error
}

func (r recipe) expect() outcome {
	switch r.Kind {
	case cut:
		return outcome{"partial", "truncated"}
	case unknown:
		return outcome{"failed", "unknown_format"}
	case misled:
		return outcome{"failed", "corrupt_record"}
	default:
		return outcome{status: "done"}
	}
}

// query is what an upload of this recipe asks for, beside its name.
func (r recipe) query() string {
	if r.Kind == misled {
		return "&decoder=rail"
	}
	return ""
}

func (r recipe) extension() string {
	if r.Kind == unknown || r.Kind == misled {
		return "bin"
	}
	return "RU"
}

// blockSize is up to where recordings are simulated as a whole; larger ones repeat their beginning.
const blockSize = 1 << 20

// write makes the recording.
func (r recipe) write(w io.Writer) error {
	o := railtest.Options{Seed: r.Seed, Bytes: int(min(r.Size, blockSize))}
	var data []byte
	switch r.Kind {
	case faults:
		o.Faults, o.Rare = true, true
		data = railtest.Recording(o)
	case cut:
		data = cutWithin(railtest.Recording(o), r.Seed)
	case unknown, misled:
		data = noise(r.Seed, int(r.Size))
	default:
		if r.Size > blockSize {
			if err := railtest.WriteLarge(w, r.Size, o); err != nil {
				return fmt.Errorf("make recording: %w", err)
			}
			return nil
		}
		data = railtest.Recording(o)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("make recording: %w", err)
	}
	return nil
}

// cutWithin ends a recording somewhere in its second half, within a record.
func cutWithin(data []byte, seed uint64) []byte {
	from := len(data)/2 + int(seed%uint64(len(data)/4))
	at := 0
	for at < from {
		at += headerBytes + int(data[at+headerBytes-1])
	}
	return data[:at+1+int(seed%(headerBytes-2))]
}

// noise is bytes that are of no format: the first is no record type, and no month.
func noise(seed uint64, n int) []byte {
	data := make([]byte, n)
	rnd := rand.New(rand.NewPCG(seed, 0x6e6f697365)) //nolint:gosec // not for secrets
	for i := range data {
		data[i] = byte(rnd.Uint32())
	}
	copy(data, []byte{0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE, 0xEE})
	return data
}

// measure makes the recording once, to know it.
func (r recipe) measure() (facts, error) {
	h, c := sha256.New(), &recordCounter{}
	if err := r.write(io.MultiWriter(h, c)); err != nil {
		return facts{}, err
	}
	f := facts{sha: hex.EncodeToString(h.Sum(nil)), size: c.size, records: c.records}
	if r.Kind == unknown || r.Kind == misled {
		f.records = 0
	}
	return f, nil
}

// body gives the recording as a stream, and a function that lets go of it.
func (r recipe) body() (body io.Reader, done func()) {
	if r.Size <= blockSize {
		var b bytes.Buffer
		_ = r.write(&b) // a buffer takes everything
		return &b, func() {}
	}
	pr, pw := io.Pipe()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = pw.CloseWithError(r.write(pw))
	}()
	return pr, func() {
		_ = pr.Close()
		<-ended
	}
}

const headerBytes = 16

// recordCounter counts the whole records of a recording that is written to it in parts.
type recordCounter struct {
	records int64
	size    int64
	seen    int // bytes of the record's header
	left    int // bytes of its body
}

// Write implements io.Writer.
func (c *recordCounter) Write(p []byte) (int, error) {
	n := len(p)
	c.size += int64(n)
	for len(p) > 0 {
		if c.seen < headerBytes {
			k := min(headerBytes-c.seen, len(p))
			c.seen += k
			c.left = int(p[k-1])
			p = p[k:]
		} else {
			k := min(c.left, len(p))
			c.left -= k
			p = p[k:]
		}
		if c.seen == headerBytes && c.left == 0 {
			c.records++
			c.seen = 0
		}
	}
	return n, nil
}
