package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strconv"
	"strings"
)

// rawConn is a connection that speaks just enough HTTP/1.1: clients share the machine with what they measure, so they are
// to cost little.
type rawConn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	in   []byte
}

func dialRaw(ctx context.Context, url string) (*rawConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &rawConn{conn: conn, r: bufio.NewReader(conn)}, nil
}

func (c *rawConn) close() { _ = c.conn.Close() }

// get asks for something and gives the answer, which holds until the next call.
func (c *rawConn) get(path string) ([]byte, error) {
	c.out = fmt.Appendf(c.out[:0], "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", path)
	return c.answer(path)
}

// post sends a JSON document and gives the answer, which holds until the next call.
func (c *rawConn) post(path string, body []byte) ([]byte, error) {
	c.out = fmt.Appendf(c.out[:0], "POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, len(body))
	c.out = append(c.out, body...)
	return c.answer(path)
}

// answer sends what is in c.out and reads the answer to it.
func (c *rawConn) answer(path string) ([]byte, error) {
	if _, err := c.conn.Write(c.out); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	status, size, chunked := "", 0, false
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("read answer: %w", err)
		}
		text := strings.TrimRight(string(line), "\r\n")
		if text == "" {
			break
		}
		if status == "" {
			status = text
		}
		chunked = chunked || text == "Transfer-Encoding: chunked"
		if n, ok := strings.CutPrefix(text, "Content-Length: "); ok {
			if size, err = strconv.Atoi(n); err != nil {
				return nil, fmt.Errorf("read answer: %w", err)
			}
		}
	}
	if err := c.body(size, chunked); err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if !strings.HasPrefix(status, "HTTP/1.1 2") {
		return nil, fmt.Errorf("%s: %s: %.300s", path, status, c.in)
	}
	return c.in, nil
}

// body reads the body of an answer into c.in.
func (c *rawConn) body(size int, chunked bool) error {
	if !chunked {
		if cap(c.in) < size {
			c.in = make([]byte, size)
		}
		c.in = c.in[:size]
		_, err := io.ReadFull(c.r, c.in)
		return err //nolint:wrapcheck // the caller says what it is
	}
	c.in = c.in[:0]
	for r := httputil.NewChunkedReader(c.r); ; {
		if len(c.in) == cap(c.in) {
			c.in = append(c.in, make([]byte, max(64<<10, len(c.in)))...)[:len(c.in)]
		}
		n, err := r.Read(c.in[len(c.in):cap(c.in)])
		c.in = c.in[:len(c.in)+n]
		if err == io.EOF {
			break
		}
		if err != nil {
			return err //nolint:wrapcheck // as above
		}
	}
	_, err := c.r.ReadSlice('\n') // no trailers
	return err                    //nolint:wrapcheck // as above
}
