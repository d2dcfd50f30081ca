package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// kvConn is a connection that sends commands and reads just as much of the answers as it needs.
type kvConn struct {
	conn net.Conn
	r    *bufio.Reader
	out  []byte
	sent int // commands that were not answered yet
}

func dialKV(ctx context.Context, addr string) (*kvConn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &kvConn{conn: conn, r: bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (c *kvConn) close() { _ = c.conn.Close() }

// add puts a command behind those that are to be sent.
func (c *kvConn) add(words ...string) {
	c.out = fmt.Appendf(c.out, "*%d\r\n", len(words))
	for _, w := range words {
		c.out = strconv.AppendInt(append(c.out, '$'), int64(len(w)), 10)
		c.out = append(append(append(c.out, "\r\n"...), w...), "\r\n"...)
	}
	c.sent++
}

// run sends what was added and reads the answers, none of which may be an error.
func (c *kvConn) run() error {
	if _, err := c.conn.Write(c.out); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	c.out = c.out[:0]
	for ; c.sent > 0; c.sent-- {
		if err := c.skip(); err != nil {
			return err
		}
	}
	return nil
}

// do runs one command.
func (c *kvConn) do(words ...string) error {
	c.add(words...)
	return c.run()
}

// fill runs n commands, many at a time.
func (c *kvConn) fill(n int, command func(i int) []string) error {
	const batch = 500
	for i := range n {
		c.add(command(i)...)
		if i%batch == batch-1 || i == n-1 {
			if err := c.run(); err != nil {
				return err
			}
		}
	}
	return nil
}

// text runs one command that answers with a number or a text.
func (c *kvConn) text(words ...string) (string, error) {
	c.add(words...)
	if _, err := c.conn.Write(c.out); err != nil {
		return "", fmt.Errorf("send: %w", err)
	}
	c.out, c.sent = c.out[:0], 0
	return c.one()
}

// head reads the first line of an answer.
func (c *kvConn) head() (kind byte, rest []byte, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, nil, fmt.Errorf("read answer: %w", err)
	}
	if len(line) < 3 {
		return 0, nil, errors.New("read answer: it is empty")
	}
	kind, rest = line[0], line[1:len(line)-2]
	if kind == '-' {
		return 0, nil, fmt.Errorf("the server answers: %s", rest)
	}
	return kind, rest, nil
}

// one reads an answer that is a text or a number.
func (c *kvConn) one() (string, error) {
	kind, rest, err := c.head()
	if err != nil || kind != '$' {
		return string(rest), err
	}
	n, err := strconv.Atoi(string(rest))
	if err != nil || n < 0 {
		return "", fmt.Errorf("read answer: $%s is no text", rest)
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(c.r, b); err != nil {
		return "", fmt.Errorf("read answer: %w", err)
	}
	return string(b[:n]), nil
}

// skip reads an answer of any kind and forgets it.
func (c *kvConn) skip() error {
	for left := 1; left > 0; left-- {
		kind, rest, err := c.head()
		if err != nil {
			return err
		}
		if kind != '$' && kind != '*' {
			continue
		}
		n, err := strconv.Atoi(string(rest))
		switch {
		case err != nil:
			return fmt.Errorf("read answer: %w", err)
		case n < 0:
		case kind == '*':
			left += n
		default:
			if _, err := c.r.Discard(n + 2); err != nil {
				return fmt.Errorf("read answer: %w", err)
			}
		}
	}
	return nil
}

// scan goes through everything that a command of the SCAN family gives and says how many calls that took. words end where
// the cursor belongs.
func (c *kvConn) scan(words ...string) (calls int, err error) {
	for cursor := "0"; ; {
		c.add(append(append(make([]string, 0, len(words)+3), words...), cursor, "COUNT", "100")...)
		if _, err := c.conn.Write(c.out); err != nil {
			return calls, fmt.Errorf("send: %w", err)
		}
		c.out, c.sent = c.out[:0], 0
		if _, _, err := c.head(); err != nil { // of two
			return calls, err
		}
		if cursor, err = c.one(); err != nil {
			return calls, err
		}
		if err := c.skip(); err != nil {
			return calls, err
		}
		if calls++; cursor == "0" {
			return calls, nil
		}
	}
}
