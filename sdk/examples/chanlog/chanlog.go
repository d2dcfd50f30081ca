// Package chanlog is the second example decoder of the SDKs in Go: logs whose channels only their headers name, and that
// hold whole files, as described in ../README.md. The decoders in ../c and ../rust/chanlog do the same, byte for byte;
// tests compare them. It is apart from the first one because it teaches what that one has no use for, tables found at
// run time and sub-files, and because that one is measured.
package chanlog

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// Layout of a file: magic, number of groups, their descriptions, then records.
const (
	magic      = "CHANLOG1"
	recordHead = 9    // group and time
	attachment = 0xFF // in the place of a group
	attachHead = 6    // mark, length of the name, length of the file
)

// Types of channels.
const (
	typeInteger = 1
	typeFloat   = 2
	typeText    = 3
)

// Plugin gives the decoder.
func Plugin() *sdk.Plugin {
	return sdk.New(sdk.Info{
		ID: "chanlog", Name: "Channel log", Version: "1.0.0", Licence: "Apache-2.0",
		Description: "Example: logs of a made-up recorder whose channels their headers name",
		Formats: []abi.Format{{
			ID: "chanlog", Name: "Channel log", Extensions: []string{".chl"}, Sniff: []abi.Sniff{{Bytes: "4348414e4c4f4731"}},
		}},
		Capabilities: []string{abi.CapChild},
	}, declare, decode)
}

// channels is the one table that is known beforehand: what the header says.
type channels struct {
	*sdk.Table
	table, column *sdk.Text
	typ           *sdk.Enum8
	name, unit    *sdk.Text
}

func declare(s *sdk.Schema) *channels {
	t := s.Table("channels", "one row a channel of the header")
	return &channels{
		Table:  t,
		table:  t.Text("table", sdk.Attr{Description: "with the channel's values"}),
		column: t.Text("column", sdk.Attr{Description: "of that table"}),
		typ:    t.Enum8("type", sdk.Attr{Description: "of its values", Labels: []string{"", "integer", "float", "text"}}),
		name:   t.Text("name", sdk.Attr{Description: "as the header says it"}),
		unit:   t.Text("unit", sdk.Attr{Description: "as the header says it"}),
	}
}

// group is a table that was found: the channels that are recorded together.
type group struct {
	*sdk.Table
	offset *sdk.Int64
	time   *sdk.TimeMicros
	values []value
}

// value is a column of a group; one of them is there.
type value struct {
	integer *sdk.Int32
	float   *sdk.Float64
	text    *sdk.Text
}

func decode(in *sdk.Input, out *channels) error {
	groups, err := header(in, out)
	if err != nil {
		return ended(err, "the file ends within its header")
	}
	for {
		at := in.Offset()
		mark, err := in.Peek(1)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case mark[0] == attachment:
			err = attach(in, at)
		case int(mark[0]) < len(groups):
			err = record(in, &groups[mark[0]], at)
		default:
			in.Issuef(sdk.SeverityFatal, at, "unknown_group", "there is no group %d", mark[0])
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			in.Issue(sdk.SeverityFatal, at, "truncated", "the file ends within a record")
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// header reads the header and opens a table for each group.
func header(in *sdk.Input, out *channels) ([]group, error) {
	h, err := in.Next(len(magic) + 1)
	if err != nil {
		return nil, err
	}
	if string(h[:len(magic)]) != magic {
		return nil, sdk.Fail("unknown_format", "the file does not begin with CHANLOG1")
	}
	groups := make([]group, h[len(magic)])
	for i := range groups {
		if groups[i], err = describe(in, out, i+1); err != nil {
			return nil, err
		}
	}
	return groups, nil
}

// describe reads the description of a group, and of its channels.
func describe(in *sdk.Input, out *channels, number int) (group, error) {
	n, err := in.ReadByte()
	if err != nil {
		return group{}, err
	}
	b, err := in.Next(int(n) + 2)
	if err != nil {
		return group{}, err
	}
	table := fmt.Sprintf("group_%d", number)
	t := in.Table(table, plain(b[:n]))
	g := group{
		Table:  t,
		offset: t.Int64("offset", sdk.Attr{Unit: "By", Description: "of the record in the input"}),
		time:   t.TimeMicros("time", sdk.Attr{Role: sdk.RoleTime}),
		values: make([]value, binary.LittleEndian.Uint16(b[n:])),
	}
	for i := range g.values {
		h, err := in.Next(3) // type, lengths of unit and name
		if err != nil {
			return group{}, err
		}
		typ, unitLen := h[0], int(h[1])
		b, err := in.Next(unitLen + int(h[2]))
		if err != nil {
			return group{}, err
		}
		unit, name := b[:unitLen], b[unitLen:]
		column := t.Name(string(name))
		attr := sdk.Attr{Unit: plain(unit), Description: plain(name)}
		switch typ {
		case typeInteger:
			g.values[i].integer = t.Int32(column, attr)
		case typeFloat:
			g.values[i].float = t.Float64(column, attr)
		case typeText:
			g.values[i].text = t.Text(column, attr)
		default:
			return group{}, sdk.Fail("corrupt_record", "%s: there is no type %d of channels", table, typ)
		}
		out.table.Set(table)
		out.column.Set(column)
		out.typ.Set(typ)
		out.name.SetLossy(name)
		out.unit.SetLossy(unit)
		out.EndRow()
	}
	return g, t.Open()
}

// plain gives a text that is printable ASCII, "" for any other: descriptions and units are for people.
func plain(b []byte) string {
	for _, c := range b {
		if c < ' ' || c > '~' {
			return ""
		}
	}
	return string(b)
}

// record reads a record of a group: all of it is looked at before a value is written, so that no row is left half done.
func record(in *sdk.Input, g *group, at int64) error {
	n := recordHead
	for i := range g.values {
		switch v := &g.values[i]; {
		case v.integer != nil:
			n += 4
		case v.float != nil:
			n += 8
		default:
			b, err := in.Peek(n + 1)
			if err != nil {
				return err
			}
			n += 1 + int(b[n])
		}
	}
	r, err := in.Next(n)
	if err != nil {
		return err
	}
	g.offset.Set(at)
	g.time.Set(int64(binary.LittleEndian.Uint64(r[1:])))
	r = r[recordHead:]
	for i := range g.values {
		switch v := &g.values[i]; {
		case v.integer != nil:
			v.integer.Set(int32(binary.LittleEndian.Uint32(r)))
			r = r[4:]
		case v.float != nil:
			v.float.Set(math.Float64frombits(binary.LittleEndian.Uint64(r)))
			r = r[8:]
		default:
			end := 1 + int(r[0])
			v.text.SetLossy(r[1:end])
			r = r[end:]
		}
	}
	g.EndRow()
	return nil
}

// attach hands on a file that lies in the log.
func attach(in *sdk.Input, at int64) error {
	h, err := in.Next(attachHead)
	if err != nil {
		return err
	}
	nameLen, left := int(h[1]), int(binary.LittleEndian.Uint32(h[2:]))
	b, err := in.Next(nameLen)
	if err != nil {
		return err
	}
	file, err := in.Child(plain(b))
	if errors.Is(err, sdk.ErrRefused) { // the host says so among the issues
		return in.Discard(int64(left))
	}
	if err != nil {
		return err
	}
	in.Issuef(sdk.SeverityInfo, at, "attachment", "a file of %d bytes", left)
	for left > 0 {
		b, err := in.Window(1)
		if err != nil {
			return err
		}
		b = b[:min(len(b), left)]
		_, err = file.Write(b)
		left -= len(b)
		if derr := in.Discard(int64(len(b))); derr != nil {
			return derr
		}
		if errors.Is(err, sdk.ErrRefused) {
			return in.Discard(int64(left))
		}
		if err != nil {
			return err //nolint:wrapcheck // the SDK's own
		}
	}
	return file.Close() //nolint:wrapcheck // never fails
}

// ended gives the end of the input the text of where it came.
func ended(err error, text string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return sdk.Fail(sdk.CodeTruncated, "%s", text)
	}
	return err
}
