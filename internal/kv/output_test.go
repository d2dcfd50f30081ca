package kv

import (
	"bytes"
	"testing"
)

// TestAnswersGoOutInTheirOrder fills buffer after buffer for a client that takes a part of one now and then.
func TestAnswersGoOutInTheirOrder(t *testing.T) {
	c := &client{srv: &Server{}}
	c.srv.set.outputNormal.Hard = 100 << 20
	c.limits()
	var want, got []byte
	for i := range 12 {
		answer := bytes.Repeat([]byte{byte('a' + i)}, batchOutput/2)
		c.out.Buf = append(c.out.Buf, answer...)
		want = append(want, answer...)
		c.seal()
		if n := c.pending(); n != int64(len(want)-len(got)) {
			t.Fatalf("%d bytes are pending, want %d", n, len(want)-len(got))
		}
		if room := c.out.Max + c.fullBytes; room != 100<<20 {
			t.Fatalf("%d bytes may be there", room)
		}
		if i%4 == 3 {
			b := c.next()
			got = append(got, b[:1000]...)
			c.back(b[1000:])
		}
	}
	if len(c.full) < 5 {
		t.Fatalf("%d buffers wait", len(c.full))
	}
	c.doing = true // a command knows places in the buffer
	c.out.Buf = append(c.out.Buf, make([]byte, batchOutput)...)
	want = append(want, c.out.Buf...)
	if c.seal(); len(c.out.Buf) != batchOutput {
		t.Error("the buffer of a command that runs is taken away")
	}
	for c.has() {
		got = append(got, c.next()...)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%d bytes went out, and not as they were written: %d", len(got), len(want))
	}
	if c.fullBytes != 0 || c.pending() != 0 {
		t.Errorf("%d bytes are counted for nothing", c.pending())
	}
}
