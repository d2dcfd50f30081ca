// Package client talks to the HTTP API of a Wayside appliance. It is what the command line uses, and programs may use
// it as well; it needs nothing but the standard library.
//
// A Client is safe for concurrent use and holds no connection of its own beyond those of its http.Client. Whatever the
// appliance refuses is an *Error with the stable code of docs/api-errors.md.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	apiPath = "/api/v1"
	// maxAnswer bounds an answer that is read whole.
	maxAnswer = 64 << 20
)

// Config says where an appliance is.
type Config struct {
	Server string       // http://127.0.0.1:8000; a bare host:port is taken too
	Token  string       // "" = none
	HTTP   *http.Client // nil = http.DefaultClient

	CacheWait time.Duration // how long Cached waits for the cache; 0 = one second
	Logger    *slog.Logger  // is told by Cached what is wrong with the cache; nil = nobody is
}

// Client calls one appliance.
type Client struct {
	base  string
	token string
	http  *http.Client

	cached cachedCalls
}

// New returns a Client. It connects to nothing yet.
func New(c Config) (*Client, error) {
	server := c.Server
	if server != "" && !strings.Contains(server, "://") {
		server = "http://" + server
	}
	server = strings.TrimRight(server, "/")
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("%q is no address of an appliance; write it like http://127.0.0.1:8000", c.Server)
	}
	out := &Client{base: server + apiPath, token: c.Token, http: c.HTTP}
	if out.http == nil {
		out.http = http.DefaultClient
	}
	out.cached = cachedCalls{wait: c.CacheWait, log: c.Logger, now: time.Now}
	if out.cached.wait <= 0 {
		out.cached.wait = time.Second
	}
	if out.cached.log == nil {
		out.cached.log = slog.New(slog.DiscardHandler)
	}
	return out, nil
}

// Error is what the appliance answered instead of what was asked for.
type Error struct {
	Status int    // of HTTP
	Code   string // stable: one of docs/api-errors.md; "" = the answer was not an appliance's
	Detail string // a sentence for people
	// Fields are what is wrong where, with code validation_failed.
	Fields []Field
	// RequestID names the request in the appliance's log.
	RequestID string
	// Offset is the byte of the input where a decode failed; nil = none in particular.
	Offset *int64
	// RetryAfter says when to come back, with status 429, 503 and 507; 0 = it was not said.
	RetryAfter time.Duration
}

// Field is one wrong field of a request.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"`
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("the server answered %d", e.Status)
	}
	return e.Detail
}

// ErrUnreachable reports that no appliance answers at the address.
var ErrUnreachable = errors.New("no appliance answers")

// request is one call.
type request struct {
	method, path string
	query        url.Values
	body         io.Reader
	size         int64 // of body, -1 = not known
	mediaType    string
	header       http.Header // what is sent beside
}

// jsonRequest makes a call with a JSON document as its body.
func jsonRequest(method, path string, body any) (request, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return request{}, fmt.Errorf("make request: %w", err)
	}
	return request{method: method, path: path, body: bytes.NewReader(data), size: int64(len(data)), mediaType: "application/json"}, nil
}

// send makes a call with a JSON document as its body.
func (c *Client) send(ctx context.Context, method, path string, body, out any) error {
	r, err := jsonRequest(method, path, body)
	if err != nil {
		return err
	}
	_, err = c.do(ctx, r, out)
	return err
}

// get makes a call without a body.
func (c *Client) get(ctx context.Context, path string, query url.Values, out any) error {
	_, err := c.do(ctx, request{method: http.MethodGet, path: path, query: query}, out)
	return err
}

// act makes a call that has neither body nor parameters.
func (c *Client) act(ctx context.Context, method, path string, out any) error {
	_, err := c.do(ctx, request{method: method, path: path}, out)
	return err
}

// do makes a call and decodes its answer into out, unless that is nil. It gives the status.
func (c *Client) do(ctx context.Context, r request, out any) (status int, err error) {
	res, err := c.open(ctx, r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return res.StatusCode, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusBadRequest {
		return res.StatusCode, problem(res, data)
	}
	if out == nil || len(data) == 0 {
		return res.StatusCode, nil
	}
	if err := json.Unmarshal(data, out); err != nil {
		return res.StatusCode, fmt.Errorf("read answer of %s: it is not an appliance's: %w", r.path, err)
	}
	return res.StatusCode, nil
}

// open makes a call and gives the answer, whose body is the caller's to close.
func (c *Client) open(ctx context.Context, r request) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, r.body)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	setTrace(ctx, req.Header)
	maps.Copy(req.Header, r.header)
	if r.body != nil {
		req.ContentLength = r.size
		req.Header.Set("Content-Type", r.mediaType)
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	res, err := c.http.Do(req)
	if err != nil {
		if _, dial := errors.AsType[*net.OpError](err); dial && ctx.Err() == nil {
			if outer, ok := errors.AsType[*url.Error](err); ok {
				err = outer.Err // the address is said already
			}
			return nil, fmt.Errorf("%w at %s: %w", ErrUnreachable, strings.TrimSuffix(c.base, apiPath), err)
		}
		return nil, fmt.Errorf("call %s: %w", r.path, err)
	}
	return res, nil
}

// problem reads application/problem+json; other text is left out, since nobody knows whose it is.
func problem(res *http.Response, data []byte) *Error {
	var p struct {
		Code      string  `json:"code"`
		Detail    string  `json:"detail"`
		RequestID string  `json:"request_id"`
		Offset    *int64  `json:"offset"`
		Errors    []Field `json:"errors"`
	}
	out := &Error{Status: res.StatusCode}
	if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
		out.RetryAfter = time.Duration(s) * time.Second
	}
	if json.Unmarshal(data, &p) == nil {
		out.Code, out.Detail, out.Fields, out.RequestID, out.Offset = p.Code, p.Detail, p.Errors, p.RequestID, p.Offset
	}
	return out
}
