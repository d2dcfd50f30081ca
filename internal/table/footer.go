package table

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// A stored file may be damaged, and the process that wrote it ran foreign code. So nothing in it is believed: sizes
// are compared with the file before anything is allocated, and lists with the bytes they stand in.

// maxThriftBytes is the largest metadata structure that is read.
const maxThriftBytes = 256 << 20

// errDamaged is the cause of every Corrupt error of this package that no library gave.
var errDamaged = errors.New("damaged parquet file")

// corrupt makes the error of a damaged file.
func corrupt(cause error, what string) error {
	return errcode.Wrap(errcode.Corrupt, cause, "the stored table is damaged: "+what)
}

// guard turns a panic of a decoding library into a Corrupt error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = corrupt(fmt.Errorf("%w: panic: %v", errDamaged, p), "it cannot be decoded")
	}
}

// readRange reads n bytes at off, all or none.
func readRange(r io.ReaderAt, buf []byte, off, n, size int64) ([]byte, error) {
	if off < 0 || n < 0 || off > size || n > size-off {
		return nil, corrupt(errDamaged, "a part lies outside the file")
	}
	if int64(cap(buf)) < n {
		buf = make([]byte, n)
	}
	buf = buf[:n]
	if m, err := r.ReadAt(buf, off); int64(m) < n {
		if err == nil || errors.Is(err, io.EOF) {
			return nil, corrupt(errDamaged, "the file is cut short")
		}
		return nil, fmt.Errorf("read table: %w", err)
	}
	return buf, nil
}

// readFooter reads the metadata of a Parquet file.
func readFooter(r io.ReaderAt, size int64) (*format.FileMetaData, error) {
	const tail = 8
	if size < int64(len(parquetMagic))+tail {
		return nil, corrupt(errDamaged, "it is too short")
	}
	end, err := readRange(r, nil, size-tail, tail, size)
	if err != nil {
		return nil, err
	}
	if string(end[4:]) != parquetMagic {
		return nil, corrupt(errDamaged, "its end is not that of a Parquet file")
	}
	n := int64(binary.LittleEndian.Uint32(end))
	if n > maxThriftBytes {
		return nil, corrupt(errDamaged, "its footer is too large")
	}
	foot, err := readRange(r, nil, size-tail-n, n, size)
	if err != nil {
		return nil, err
	}
	m := new(format.FileMetaData)
	if err := unmarshalThrift(foot, m); err != nil {
		return nil, err
	}
	return m, nil
}

// unmarshalThrift decodes a structure that fills b.
func unmarshalThrift(b []byte, v any) error {
	if n, err := skimStruct(b, 0); err != nil || n != len(b) {
		return corrupt(errors.Join(errDamaged, err), "its metadata is not readable")
	}
	var p thrift.CompactProtocol
	if err := thrift.Unmarshal(&p, b, v); err != nil {
		return corrupt(err, "its metadata is not readable")
	}
	return nil
}

// Types of the Thrift compact protocol.
const (
	thriftStop = iota
	thriftTrue
	thriftFalse
	thriftI8
	thriftI16
	thriftI32
	thriftI64
	thriftDouble
	thriftBinary
	thriftList
	thriftSet
	thriftMap
	thriftStruct
)

const maxThriftDepth = 16

var (
	errThriftShort = errors.New("thrift: cut short")
	errThriftDeep  = errors.New("thrift: nested too deep")
	errThriftList  = errors.New("thrift: list longer than its bytes")
	errThriftType  = errors.New("thrift: unknown type")
)

// skimStruct walks over a structure without decoding it and gives its length. It proves that every length in it fits
// in the bytes there are, which the decoder takes on trust when it allocates.
func skimStruct(b []byte, depth int) (int, error) {
	if depth > maxThriftDepth {
		return 0, errThriftDeep
	}
	for i := 0; ; {
		if i >= len(b) {
			return 0, errThriftShort
		}
		h := b[i]
		i++
		if h == thriftStop {
			return i, nil
		}
		if h>>4 == 0 { // the field's number follows
			_, n := binary.Uvarint(b[i:])
			if n <= 0 {
				return 0, errThriftShort
			}
			i += n
		}
		typ := h & 15
		if typ == thriftTrue || typ == thriftFalse {
			continue // the value is in the type
		}
		n, err := skimValue(b[i:], typ, depth+1)
		if err != nil {
			return 0, err
		}
		i += n
	}
}

func skimValue(b []byte, typ byte, depth int) (int, error) {
	switch typ {
	case thriftTrue, thriftFalse, thriftI8:
		return need(b, 1)
	case thriftI16, thriftI32, thriftI64:
		if _, n := binary.Uvarint(b); n > 0 {
			return n, nil
		}
		return 0, errThriftShort
	case thriftDouble:
		return need(b, 8)
	case thriftBinary:
		u, n := binary.Uvarint(b)
		if n <= 0 || u > uint64(len(b)-n) {
			return 0, errThriftShort
		}
		return n + int(u), nil
	case thriftList, thriftSet:
		return skimList(b, depth)
	case thriftStruct:
		return skimStruct(b, depth)
	default:
		return 0, errThriftType
	}
}

func need(b []byte, n int) (int, error) {
	if len(b) < n {
		return 0, errThriftShort
	}
	return n, nil
}

func skimList(b []byte, depth int) (int, error) {
	if depth > maxThriftDepth {
		return 0, errThriftDeep
	}
	if len(b) == 0 {
		return 0, errThriftShort
	}
	size, typ, i := uint64(b[0]>>4), b[0]&15, 1
	if size == 15 {
		u, n := binary.Uvarint(b[1:])
		if n <= 0 {
			return 0, errThriftShort
		}
		size, i = u, 1+n
	}
	// A structure of this format takes at least three bytes; decoded it takes hundreds.
	least := uint64(1)
	if typ == thriftStruct {
		least = 3
	}
	if size > uint64(len(b)-i)/least {
		return 0, errThriftList
	}
	for range size {
		n, err := skimValue(b[i:], typ, depth+1)
		if err != nil {
			return 0, err
		}
		i += n
	}
	return i, nil
}
