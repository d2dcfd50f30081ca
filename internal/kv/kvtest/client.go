package kvtest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Client is one connection that fails its test when something goes wrong.
type Client struct {
	t    testing.TB
	Conn net.Conn
	r    *bufio.Reader
}

// Error is an error that the server has answered.
type Error string

// Dial connects to a server until the test ends.
func Dial(tb testing.TB, addr string) *Client {
	tb.Helper()
	d := net.Dialer{Timeout: Patience}
	conn, err := d.DialContext(tb.Context(), "tcp", addr)
	if err != nil {
		tb.Fatal(err)
	}
	return On(tb, conn)
}

// On talks over a connection, and closes it when the test ends.
func On(tb testing.TB, conn net.Conn) *Client {
	tb.Helper()
	tb.Cleanup(func() { _ = conn.Close() })
	return &Client{t: tb, Conn: conn, r: bufio.NewReader(conn)}
}

// Command is a call as it is sent.
func Command(args ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b.String()
}

// Write sends bytes as they are.
func (c *Client) Write(text string) {
	c.t.Helper()
	_ = c.Conn.SetWriteDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(c.Conn, text); err != nil {
		c.t.Fatalf("send %.60q: %v", text, err)
	}
}

// Send sends a command.
func (c *Client) Send(args ...string) {
	c.t.Helper()
	c.Write(Command(args...))
}

// Do sends a command and gives its answer: nil, int64, string, Error, bool, float64 or []any. Maps and sets are lists.
func (c *Client) Do(args ...string) any {
	c.t.Helper()
	c.Send(args...)
	return c.Read()
}

// Text is Do as a test compares it.
func (c *Client) Text(args ...string) string {
	c.t.Helper()
	return Text(c.Do(args...))
}

// Text shows an answer on one line.
func Text(v any) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case Error:
		return "-" + string(v)
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			list[i] = Text(e)
		}
		return "[" + strings.Join(list, " ") + "]"
	}
	return fmt.Sprint(v)
}

// Read gives the next answer or message.
func (c *Client) Read() any {
	c.t.Helper()
	_ = c.Conn.SetReadDeadline(time.Now().Add(Patience))
	v, err := c.value()
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	return v
}

// Closed waits until the server has closed the connection; whatever it says before is passed over.
func (c *Client) Closed() bool {
	_ = c.Conn.SetReadDeadline(time.Now().Add(Patience))
	_, err := io.Copy(io.Discard, c.r)
	var timeout net.Error
	return err == nil || !errors.As(err, &timeout) || !timeout.Timeout()
}

func (c *Client) value() (any, error) {
	line, err := c.r.ReadString('\n')
	if err != nil {
		return nil, err //nolint:wrapcheck // of a test
	}
	line = strings.TrimSuffix(line, "\r\n")
	if line == "" {
		return nil, errors.New("an empty line")
	}
	rest := line[1:]
	switch line[0] {
	case '+', '(':
		return rest, nil
	case '-':
		return Error(rest), nil
	case ':':
		return strconv.ParseInt(rest, 10, 64)
	case ',':
		return strconv.ParseFloat(rest, 64)
	case '#':
		return rest == "t", nil
	case '_':
		return nil, nil
	case '$', '=':
		return c.bulk(line[0], rest)
	case '*', '~', '>':
		return c.list(rest, 1)
	case '%':
		return c.list(rest, 2)
	}
	return nil, fmt.Errorf("no answer begins so: %q", line)
}

func (c *Client) bulk(kind byte, rest string) (any, error) {
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err //nolint:wrapcheck // of a test
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return nil, err //nolint:wrapcheck // of a test
	}
	if kind == '=' {
		return string(b[4:n]), nil
	}
	return string(b[:n]), nil
}

func (c *Client) list(rest string, each int) (any, error) {
	n, err := strconv.Atoi(rest)
	if err != nil || n < 0 {
		return nil, err //nolint:wrapcheck // of a test
	}
	list := make([]any, n*each)
	for i := range list {
		if list[i], err = c.value(); err != nil {
			return nil, err
		}
	}
	return list, nil
}
