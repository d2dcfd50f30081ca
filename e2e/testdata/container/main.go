//go:build wasip1

// Command container is a decoder whose files hold other files, for the end-to-end tests: "BOX:" and then, for each, its
// name, a zero byte, its length in four bytes (little-endian) and its bytes. A file "self" of no length stands for the
// whole input once more. Behind a file "loop" it never ends, behind "stop" it gives up.
package main

import (
	"encoding/binary"
	"errors"
	"io"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

type entries struct {
	*sdk.Table
	name *sdk.Text
	size *sdk.Int64
}

func declare(s *sdk.Schema) *entries {
	t := s.Table("entries", "the files inside")
	return &entries{Table: t, name: t.Text("name", sdk.Attr{}), size: t.Int64("size", sdk.Attr{})}
}

func decode(in *sdk.Input, out *entries) error {
	all, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	for at := 4; at < len(all); {
		end := at
		for end < len(all) && all[end] != 0 {
			end++
		}
		if end+5 > len(all) {
			return io.ErrUnexpectedEOF
		}
		name, size := string(all[at:end]), int(binary.LittleEndian.Uint32(all[end+1:]))
		at = end + 5
		if size > len(all)-at {
			return io.ErrUnexpectedEOF
		}
		if err := entry(in, out, name, all, all[at:at+size]); err != nil {
			return err
		}
		at += size
	}
	return nil
}

func entry(in *sdk.Input, out *entries, name string, all, data []byte) error {
	switch name {
	case "loop":
		for n := 0; ; n++ {
			if n < 0 {
				return nil
			}
		}
	case "stop":
		return errors.New("gave up")
	case "self":
		data = all
	}
	out.name.Set(name)
	out.size.Set(int64(len(data)))
	out.EndRow()
	c, err := in.Child(name)
	if errors.Is(err, sdk.ErrRefused) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := c.Write(data); err != nil && !errors.Is(err, sdk.ErrRefused) {
		return err
	}
	return c.Close()
}

//go:wasmexport wayside_decode
func waysideDecode() int32 {
	return sdk.GuestDecode(sdk.New(sdk.Info{ID: "box", Capabilities: []string{abi.CapChild}}, declare, decode))
}

func main() {}
