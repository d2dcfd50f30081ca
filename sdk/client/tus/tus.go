// Package tus sends files to a server of the tus protocol 1.0.0 (https://tus.io), so that an upload goes on where it
// was when a connection, a server or the program itself ended in between. It knows nothing of Wayside but the shape
// of its errors' status; package client finds out what became of the file.
//
// A Client is safe for concurrent use as far as its Store is. It has no goroutines of its own but the timer that ends
// a request which does not get on. Nothing is held in memory but the buffers of net/http.
package tus

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	version = "1.0.0"

	defaultTries = 10
	defaultStall = 2 * time.Minute
	firstPause   = 500 * time.Millisecond
	longestPause = 30 * time.Second
	// maxAnswer is how much of an answer is read, for its text in an error.
	maxAnswer = 4 << 10
)

// Store keeps where uploads are that have begun, so that a later run goes on with them.
type Store interface {
	// Get gives the URL of an upload, "" = none is known.
	Get(key string) (uploadURL string, err error)
	Put(key, uploadURL string) error
	Delete(key string) error
}

// Config says where uploads go, and how patient they are.
type Config struct {
	Endpoint string       // URL where uploads are created
	HTTP     *http.Client // nil = http.DefaultClient
	Header   http.Header  // sent with each request, such as Authorization
	Store    Store        // nil = uploads go on within one call only

	Tries int           // failures in a row without a byte in between, after which an upload gives up; 0 = 10
	Stall time.Duration // a request that gets on by no byte for so long is broken off and tried again; 0 = 2 min
	// Pause is the time before a try; nil = from 0.5 s doubling to 30 s. What the server asks for counts if it is longer.
	Pause func(try int) time.Duration
	// Chunk is the most bytes of one request; 0 = all that is left. Proxies that limit requests need it.
	Chunk int64
}

// Upload is a file that is to be sent.
type Upload struct {
	Body     io.ReaderAt
	Size     int64
	Metadata map[string]string
	// Key stands for the file and all that is said of it, so that a later run finds what this one has sent; "" = it is
	// not to be found.
	Key string
	// Progress, which may be nil, is called with the bytes that are sent or were there already, which may become fewer
	// again. The calls may come from several goroutines.
	Progress func(sent int64)
	// Paused, which may be nil, is called before a pause with its reason.
	Paused func(reason error, pause time.Duration)
}

// Result says where a file was sent to.
type Result struct {
	URL     string
	Resumed int64       // bytes that were there before this call
	Header  http.Header // of the last answer
}

// Error is a refusal of the server.
type Error struct {
	Status int
	Body   []byte // the first bytes of the answer
	Header http.Header
}

func (e *Error) Error() string { return fmt.Sprintf("the server answered %d", e.Status) }

// errStalled breaks a request off that does not get on.
var errStalled = errors.New("no byte got through")

// errGone reports an upload that the server no longer knows.
var errGone = errors.New("the server no longer knows the upload")

// Client sends files to one server.
type Client struct {
	cfg      Config
	endpoint *url.URL
}

// New returns a Client. It connects to nothing yet.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.Endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no address for uploads", cfg.Endpoint)
	}
	if cfg.HTTP == nil {
		cfg.HTTP = http.DefaultClient
	}
	cfg.Tries, cfg.Stall = cmp.Or(cfg.Tries, defaultTries), cmp.Or(cfg.Stall, defaultStall)
	if cfg.Pause == nil {
		cfg.Pause = func(try int) time.Duration { return min(firstPause<<min(try, 16), longestPause) }
	}
	return &Client{cfg: cfg, endpoint: u}, nil
}

// Upload sends a file, or what the server does not have of it yet, and returns when the server has all of it. It
// bears lost connections and a server that is away; an upload that the server has forgotten begins anew. What is in
// the Store stays there after an error, so that a later call goes on.
func (c *Client) Upload(ctx context.Context, u Upload) (Result, error) {
	if u.Size < 0 {
		return Result{}, fmt.Errorf("send file: its size %d is negative", u.Size)
	}
	r := &run{Client: c, up: u}
	if err := r.recall(); err != nil {
		return Result{}, err
	}
	best := int64(0) // only bytes count as getting on: a server may take requests for ever and no byte
	for try := 0; ; {
		err := r.step(ctx)
		if r.offset > best {
			best, try = r.offset, 0
		}
		switch {
		case err == nil && r.done:
			return r.result, r.forget()
		case err == nil:
			continue
		case ctx.Err() != nil:
			return r.result, fmt.Errorf("send file: %w", context.Cause(ctx))
		case errors.Is(err, errGone):
			if err := r.forget(); err != nil {
				return r.result, err
			}
		case !passing(err):
			return r.result, err
		}
		if try++; try >= c.cfg.Tries {
			return r.result, fmt.Errorf("%w; gave up after %d tries", err, try)
		}
		if err := r.pause(ctx, try-1, err); err != nil {
			return r.result, err
		}
	}
}

// run is one upload under way.
type run struct {
	*Client
	up     Upload
	result Result
	offset int64 // that the server has, as far as is known
	synced bool  // offset is what the server said
	known  bool  // an earlier run has begun it
	done   bool
}

// recall takes up what an earlier run began. An address that leads elsewhere is not followed.
func (r *run) recall() error {
	if r.cfg.Store == nil || r.up.Key == "" {
		return nil
	}
	known, err := r.cfg.Store.Get(r.up.Key)
	if err != nil {
		return fmt.Errorf("look for an earlier upload: %w", err)
	}
	if known == "" {
		return nil
	}
	if r.result.URL, err = r.resolve(known); err != nil {
		return r.forget()
	}
	r.known = true
	return nil
}

// forget leaves an upload that is complete or gone.
func (r *run) forget() error {
	if !r.done {
		r.result.URL, r.result.Resumed, r.offset, r.synced, r.known = "", 0, 0, false, false
	}
	if r.cfg.Store == nil || r.up.Key == "" {
		return nil
	}
	if err := r.cfg.Store.Delete(r.up.Key); err != nil {
		return fmt.Errorf("forget upload: %w", err)
	}
	return nil
}

// step does what is next: create the upload, ask how far it is, or send on.
func (r *run) step(ctx context.Context) error {
	switch {
	case r.result.URL == "":
		return r.create(ctx)
	case !r.synced:
		return r.head(ctx)
	}
	return r.patch(ctx)
}

// passing reports an error that may be gone in a while.
func passing(err error) bool {
	var wrong *protocolError
	if errors.As(err, &wrong) || errors.Is(err, errSource) {
		return false
	}
	e, answered := errors.AsType[*Error](err)
	if !answered {
		return true
	}
	switch e.Status {
	case http.StatusConflict, http.StatusLocked, http.StatusTooManyRequests, http.StatusRequestTimeout, statusChecksum:
		return true
	case http.StatusInsufficientStorage, http.StatusNotImplemented:
		return false
	}
	return e.Status >= http.StatusInternalServerError
}

// statusChecksum is tus's own status of a chunk that arrived damaged.
const statusChecksum = 460

// protocolError is an answer that a tus server does not give.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return e.text }

func wrong(format string, args ...any) error {
	return &protocolError{fmt.Sprintf("the server does not speak tus "+version+": "+format, args...)}
}

// pause waits before the next try.
func (r *run) pause(ctx context.Context, try int, reason error) error {
	d := r.cfg.Pause(try)
	if e, ok := errors.AsType[*Error](reason); ok {
		if s, err := strconv.Atoi(e.Header.Get("Retry-After")); err == nil && s > 0 {
			d = max(d, min(time.Duration(s)*time.Second, time.Minute))
		}
	}
	if r.up.Paused != nil {
		r.up.Paused(reason, d)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return fmt.Errorf("send file: %w", context.Cause(ctx))
	case <-t.C:
		return nil
	}
}

// resolve makes an address of the server absolute. Nothing, least of all a token, goes to another server.
func (c *Client) resolve(location string) (string, error) {
	u, err := c.endpoint.Parse(location)
	if err != nil || location == "" {
		return "", wrong("%q is no location of an upload", location)
	}
	if u.Host != c.endpoint.Host || u.Scheme != c.endpoint.Scheme {
		return "", wrong("the upload is to go to another server, %s", u.Redacted())
	}
	return u.String(), nil
}

// metadata writes Upload-Metadata: keys with their values in base64.
func metadata(m map[string]string) (string, error) {
	pairs := make([]string, 0, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if k == "" || strings.ContainsFunc(k, func(c rune) bool { return c <= ' ' || c > '~' || c == ',' }) {
			return "", fmt.Errorf("send file: %q is no key of metadata", k)
		}
		pairs = append(pairs, strings.TrimRight(k+" "+base64.StdEncoding.EncodeToString([]byte(m[k])), " "))
	}
	return strings.Join(pairs, ","), nil
}
