package httpapi

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	// compressFrom is the size from which answers are compressed.
	compressFrom = 1024
	// maxPacked is how many answers are compressed while they are made, at once: each holds some hundred KiB for as long
	// as its reader takes. Further ones are sent as they are.
	maxPacked = 32
	// keptAnswer is the largest buffer that is kept for the next answer.
	keptAnswer = 256 << 10

	encodingGzip = "gzip"
	encodingZstd = "zstd"
)

// compressible reports whether answers of a type gain from compression: Parquet, spreadsheets and recordings do not,
// or are compressed inside.
func compressible(mediaType string) bool {
	t, _, err := mime.ParseMediaType(mediaType)
	if err != nil {
		return false
	}
	switch t {
	case "application/json", "application/x-ndjson", "application/ndjson", "application/openapi+json", problemType, "application/vnd.apache.arrow.stream",
		"application/vnd.apache.arrow.file", "application/javascript", "image/svg+xml":
		return true
	default:
		return strings.HasPrefix(t, "text/") && t != eventStreamType
	}
}

// choice is what a caller's Accept-Encoding comes to.
type choice struct {
	name string // "" = as it is
	must bool   // the caller does not take it as it is, though it would be better
}

// pickEncoding gives the best encoding that the caller takes. Where it takes none that there is, not even the answer as
// it is, it gets that all the same: it can say nothing against it but not to have asked.
func pickEncoding(h http.Header) choice {
	values := h.Values("Accept-Encoding")
	if len(values) == 0 {
		return choice{}
	}
	quality := map[string]float64{}
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		name, params, _ := strings.Cut(part, ";")
		name = strings.TrimPrefix(strings.ToLower(strings.TrimSpace(name)), "x-")
		quality[name] = qualityOf(params)
		if len(quality) > 32 { // nobody knows so many
			break
		}
	}
	of := func(name string, otherwise float64) float64 {
		if q, ok := quality[name]; ok {
			return q
		}
		if q, ok := quality["*"]; ok {
			return q
		}
		return otherwise
	}
	out := choice{must: of("identity", 1) == 0}
	best := 0.0
	for _, name := range []string{encodingZstd, encodingGzip} {
		if q := of(name, 0); q > best {
			out.name, best = name, q
		}
	}
	out.must = out.must && out.name != ""
	return out
}

// qualityOf reads the q of a list's item; what cannot be read is not wanted.
func qualityOf(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		name, value, ok := strings.Cut(strings.TrimSpace(p), "=")
		if !ok || !strings.EqualFold(strings.TrimSpace(name), "q") {
			continue
		}
		q, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil || !(q >= 0 && q <= 1) {
			return 0
		}
		return q
	}
	return 1
}

// compressors keeps encoders for the next answer: making one costs more than compressing most answers.
type compressors struct {
	gzip, zstd sync.Pool // of packer
	buffers    sync.Pool // of *bytes.Buffer
	streams    atomic.Int64
}

// packer is an encoder that can be used again.
type packer interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// get gives an encoder that writes to w. Level and window are small: the box has other work, and tables compress well
// anyway.
func (c *compressors) get(encoding string, w io.Writer) packer {
	if p, ok := c.pool(encoding).Get().(packer); ok {
		p.Reset(w)
		return p
	}
	var p packer
	var err error
	if encoding == encodingZstd {
		p, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(256<<10), zstd.WithLowerEncoderMem(true))
	} else {
		p, err = gzip.NewWriterLevel(w, gzip.BestSpeed)
	}
	if err != nil {
		panic(fmt.Sprintf("%s with fixed options: %v", encoding, err))
	}
	return p
}

func (c *compressors) pool(encoding string) *sync.Pool {
	if encoding == encodingZstd {
		return &c.zstd
	}
	return &c.gzip
}

// buffer gives an empty buffer for an answer, which is to be kept afterwards.
func (c *compressors) buffer() *bytes.Buffer {
	if b, ok := c.buffers.Get().(*bytes.Buffer); ok {
		return b
	}
	return new(bytes.Buffer)
}

func (c *compressors) keep(b *bytes.Buffer) {
	if b.Cap() <= keptAnswer {
		b.Reset()
		c.buffers.Put(b)
	}
}

// compress compresses a whole answer into a buffer that is to be kept afterwards.
func (c *compressors) compress(encoding string, body []byte) *bytes.Buffer {
	out := c.buffer()
	p := c.get(encoding, out)
	_, _ = p.Write(body) // into memory: cannot fail
	_ = p.Close()
	p.Reset(nil)
	c.pool(encoding).Put(p)
	return out
}

// compressor compresses an answer while it is made.
type compressor struct {
	packer
	encoding string
	home     *compressors
}

// stream compresses what is written onto w; Close completes it, and it is to be released in any case. It gives nil where
// there is to be no compression, or too much of it is going on.
func (c *compressors) stream(encoding string, w io.Writer) *compressor {
	if encoding == "" {
		return nil
	}
	if c.streams.Add(1) > maxPacked {
		c.streams.Add(-1)
		return nil
	}
	return &compressor{packer: c.get(encoding, w), encoding: encoding, home: c}
}

func (c *compressor) release() {
	c.Reset(nil)
	c.home.pool(c.encoding).Put(c.packer)
	c.home.streams.Add(-1)
}
