package archive

import (
	"bytes"
	"encoding/binary"
)

const (
	zstdMagic = 0xfd2fb528
	skipMagic = 0x184d2a50 // of a skippable frame; the low four bits are free
)

// Detect says how a file is wrapped, by its first 512 bytes or all it has.
func Detect(head []byte) Kind {
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}): // deflate is the only method there is
		return Gzip
	case len(head) >= 4 && isZstd(binary.LittleEndian.Uint32(head)):
		return Zstd
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return Zip
	case isTar(head):
		return Tar
	}
	return ""
}

func isZstd(magic uint32) bool { return magic == zstdMagic || magic&^0xf == skipMagic }

const (
	tarBlock = 512
	sumAt    = 148
	sumBytes = 8
)

// isTar reports whether a block is the header of a tar archive, also of one from before the format had a magic: its
// checksum tells. A file that begins with an empty block is none.
func isTar(head []byte) bool {
	if len(head) < tarBlock || head[0] == 0 {
		return false
	}
	var unsigned, signed int64
	for i, b := range head[:tarBlock] {
		if i >= sumAt && i < sumAt+sumBytes {
			b = ' '
		}
		unsigned += int64(b)
		signed += int64(int8(b))
	}
	sum, ok := octal(head[sumAt : sumAt+sumBytes])
	return ok && (sum == unsigned || sum == signed)
}

// octal reads a number as tar headers have it: digits, blanks around them, a zero at the end.
func octal(b []byte) (v int64, ok bool) {
	b = bytes.Trim(b, " \x00")
	for _, d := range b {
		if d < '0' || d > '7' {
			return 0, false
		}
		v = v<<3 | int64(d-'0')
	}
	return v, len(b) > 0
}
