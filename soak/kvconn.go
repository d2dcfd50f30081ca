package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// kvPatience is how long an answer may take before the server counts as stuck: longer than it lets a client wait for the
// disk.
const kvPatience = 20 * time.Second

// errNoAnswer says that an answer did not come.
var errNoAnswer = errors.New("no answer")

// kvError is an error that the server has answered.
type kvError string

// Error implements error.
func (e kvError) Error() string { return string(e) }

// kvConn is one connection to the Redis-protocol server.
type kvConn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
}

func dialKV(ctx context.Context, network, addr string) (*kvConn, error) {
	d := net.Dialer{Timeout: kvPatience}
	conn, err := d.DialContext(ctx, network, addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &kvConn{conn: conn, r: bufio.NewReader(conn)}, nil
}

func (c *kvConn) close() { _ = c.conn.Close() }

// put collects a command; send sends what was collected.
func (c *kvConn) put(args ...string) {
	c.out = fmt.Appendf(c.out, "*%d\r\n", len(args))
	for _, a := range args {
		c.out = fmt.Appendf(c.out, "$%d\r\n", len(a))
		c.out = append(append(c.out, a...), '\r', '\n')
	}
}

func (c *kvConn) send() error {
	b := c.out
	c.out = c.out[:0]
	_ = c.conn.SetDeadline(time.Now().Add(kvPatience)) // the write tells if there is no connection
	if _, err := c.conn.Write(b); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

// do sends a command and gives its answer. An error that the server answered is returned as one.
func (c *kvConn) do(args ...string) (any, error) {
	c.put(args...)
	if err := c.send(); err != nil {
		return nil, err
	}
	v, err := c.read()
	if e, is := v.(kvError); is {
		return nil, fmt.Errorf("%s: %w", args[0], e)
	}
	return v, err
}

// read gives the next answer: nil, int64, string, kvError or []any.
func (c *kvConn) read() (any, error) {
	v, err := c.value()
	var ne net.Error
	if errors.As(err, &ne) && ne.Timeout() {
		return nil, fmt.Errorf("%w within %v", errNoAnswer, kvPatience)
	}
	return v, err
}

func (c *kvConn) value() (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("read: an empty line")
	}
	rest := line[1:]
	switch line[0] {
	case '+':
		return rest, nil
	case '-':
		return kvError(rest), nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("read: %q is no answer", line)
	}
	switch {
	case line[0] == ':':
		return n, nil
	case n < 0 && (line[0] == '$' || line[0] == '*'):
		return nil, nil
	case line[0] == '$':
		b := make([]byte, n+2)
		if _, err := io.ReadFull(c.r, b); err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		return string(b[:n]), nil
	case line[0] == '*':
		list := make([]any, n)
		for i := range list {
			if list[i], err = c.value(); err != nil {
				return nil, err
			}
		}
		return list, nil
	}
	return nil, fmt.Errorf("read: %q is no answer", line)
}

// strings gives an answer that is a list of strings; of anything else, nothing.
func kvStrings(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, e := range list {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// kvText shows an answer on one line.
func kvText(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case kvError:
		return "-" + string(v)
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = kvText(e)
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return fmt.Sprint(v)
}
