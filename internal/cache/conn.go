package cache

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

const (
	// longestLine is that of a number, a status or an error.
	longestLine = 4 << 10
	// mostReply bounds the answers to what is sent together: as many of our largest values as one call asks for.
	mostReply = slice*(MaxValue+longestLine) + 1<<20
	// deepest is how lists may lie within lists: SCAN answers a list of a cursor and a list.
	deepest = 2
)

// conn is one connection to a server. It is used by one caller at a time.
type conn struct {
	net    net.Conn
	r      *bufio.Reader
	w      bytes.Buffer
	left   int       // bytes that may still be read of the present answers
	heard  bool      // something of them was read
	broken bool      // what comes next is not known
	idle   time.Time // since when nobody uses it
}

// reply is what a server answers to one command: texts in their order, a number, or why not.
type reply struct {
	texts   [][]byte
	number  int64
	failure string
}

// dial connects and has itself let in.
func dial(ctx context.Context, a address) (*conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "tcp", a.hostPort())
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if a.tls {
		t := tls.Client(nc, &tls.Config{ServerName: a.host, MinVersion: tls.VersionTLS12})
		if err := t.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(fmt.Errorf("connect: %w", err), nc.Close())
		}
		nc = t
	}
	c := &conn{net: nc, r: bufio.NewReader(nc)}
	var hello [][]string
	switch {
	case a.user != "":
		hello = append(hello, []string{"AUTH", a.user, a.password})
	case a.password != "":
		hello = append(hello, []string{"AUTH", a.password})
	}
	if a.db != 0 {
		hello = append(hello, []string{"SELECT", strconv.Itoa(a.db)})
	}
	replies, err := c.ask(ctx, hello)
	for i := range replies {
		if err == nil && replies[i].failure != "" {
			err = &refusal{text: replies[i].failure}
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect: %w", err), nc.Close())
	}
	return c, nil
}

// ask sends commands together and reads their answers. After an error the connection is of no more use.
func (c *conn) ask(ctx context.Context, cmds [][]string) ([]reply, error) {
	c.broken, c.heard, c.left = true, false, mostReply
	deadline, _ := ctx.Deadline() // none is no deadline
	if err := c.net.SetDeadline(deadline); err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = c.net.SetDeadline(time.Unix(1, 0)) }) // who waits is woken
	defer func() {
		if !stop() {
			c.broken = true // the deadline may still be set, when somebody else uses it
		}
	}()
	c.w.Reset()
	for _, args := range cmds {
		fmt.Fprintf(&c.w, "*%d\r\n", len(args))
		for _, a := range args {
			fmt.Fprintf(&c.w, "$%d\r\n%s\r\n", len(a), a)
		}
	}
	if _, err := c.net.Write(c.w.Bytes()); err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	if c.w.Cap() > MaxValue/2 {
		c.w = bytes.Buffer{} // a large value is seldom
	}
	replies := make([]reply, len(cmds))
	for i := range replies {
		if err := c.read(&replies[i], 0); err != nil {
			return nil, fmt.Errorf("read an answer: %w", err)
		}
	}
	c.broken = false
	return replies, nil
}

// errNotRedis reports an answer in another protocol than Redis's, or in a form of it that none of our commands has.
var errNotRedis = errors.New("it does not answer as a Redis server does")

// errTooMuch reports an answer that is larger than any to our commands.
var errTooMuch = errors.New("its answer is larger than what was asked for")

// read reads one answer, or a part of it, into a reply.
func (c *conn) read(to *reply, depth int) error {
	line, err := c.line()
	if err != nil {
		return err
	}
	if len(line) == 0 {
		return errNotRedis
	}
	rest := string(line[1:])
	switch line[0] {
	case '+':
		return nil
	case '-':
		to.failure = rest
		return nil
	}
	n, err := strconv.ParseInt(rest, 10, 64)
	if err != nil {
		return errNotRedis
	}
	switch {
	case line[0] == ':':
		to.number = n
	case n == -1 && (line[0] == '$' || line[0] == '*'): // there is none
	case line[0] == '$':
		return c.text(to, n)
	case line[0] == '*' && n >= 0 && depth < deepest:
		for range n { // each takes some of what is left
			if err := c.read(to, depth+1); err != nil {
				return err
			}
		}
	default:
		return errNotRedis
	}
	return nil
}

// line reads up to the end of a line.
func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	c.heard = c.heard || len(line) > 0
	switch {
	case errors.Is(err, bufio.ErrBufferFull) || len(line) > longestLine:
		return nil, errNotRedis
	case err != nil:
		return nil, err //nolint:wrapcheck // ask does
	}
	if c.left -= len(line); c.left < 0 {
		return nil, errTooMuch
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok {
		return nil, errNotRedis
	}
	return text, nil
}

// text reads one of n bytes. Memory is taken as they come, not as they are promised.
func (c *conn) text(to *reply, n int64) error {
	if n < 0 {
		return errNotRedis
	}
	if n > int64(c.left) {
		return errTooMuch
	}
	c.left -= int(n)
	var b bytes.Buffer
	if _, err := io.CopyN(&b, c.r, n); err != nil {
		return err //nolint:wrapcheck // ask does
	}
	end := make([]byte, 2)
	if _, err := io.ReadFull(c.r, end); err != nil {
		return err //nolint:wrapcheck // ask does
	}
	if string(end) != "\r\n" {
		return errNotRedis
	}
	to.texts = append(to.texts, b.Bytes())
	return nil
}
