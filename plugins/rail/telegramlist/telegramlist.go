// Package telegramlist reads telegram lists: text with one balise telegram a line, as hex or base64, either shaped (as
// it is sent) or plain user bits, short or long.
//
//	# comment, to the end of the line
//	B4AC64C7…9D34          a shaped long telegram, hex
//	NhtpwMXI…KA==;anything  a shaped short one, base64; what follows the first ; is not read
//
// The number of digits says what a line holds: hex 86 or 256 shaped, 53, 54 or 208 user bits; base64 of 43 or 128 bytes
// shaped, of 27 or 104 user bits, with or without the = at its end. Text of hex digits only is always hex: base64 of
// a real telegram practically never is, while a line of hex that was cut short may well have 36 digits. Hex of either
// case, blanks around, LF, CRLF and CR, a byte-order mark and a last line without end are all taken. Bits are left
// aligned: those that are missing to a whole byte are at the end.
//
// It is apart from package eurobalise, which decodes what is shaped (its documentation shows both at work), because
// where telegrams are written down and how they are coded have nothing to do with each other. It reads in fixed
// memory, however long a line is, and starts no goroutine.
package telegramlist

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Codes of a LineError, for issues.
const (
	BadLength = "bad_length" // hex or base64, but of no telegram's length
	BadLine   = "bad_line"   // neither
)

// LineError says what is wrong with a line. Reading goes on with the next one.
type LineError struct {
	Offset int64 // of the line
	Code   string
	Text   string
}

// Error gives the text.
func (e *LineError) Error() string { return e.Text }

// Kind says what the bits of an entry are.
type Kind uint8

// Kinds of entries.
const (
	User   Kind = iota // user bits
	Shaped             // a telegram as it is sent
)

// Entry is one telegram of a list.
type Entry struct {
	Offset int64 // of the line
	Kind   Kind
	Long   bool
	Bits   []byte // 128 or 43 bytes shaped, 104 or 27 of user bits; valid until the next entry
}

// UserBits gives how many user bits a telegram of the entry's length has.
func (e *Entry) UserBits() int {
	if e.Long {
		return 830
	}
	return 210
}

// maxBytes is the longest telegram.
const maxBytes = 128

// shortUserDigits is how many hex digits the 210 user bits of a short telegram need. Some tools write one more, to
// whole bytes.
const shortUserDigits = 53

// leastDigits is how many digits the shortest text of a telegram has: base64 of user bits.
const leastDigits = 36

// sized says what a number of bytes holds.
func (e *Entry) sized(n int) bool {
	switch n {
	case maxBytes:
		e.Kind, e.Long = Shaped, true
	case 43:
		e.Kind, e.Long = Shaped, false
	case 104:
		e.Kind, e.Long = User, true
	case 27:
		e.Kind, e.Long = User, false
	default:
		return false
	}
	return true
}

// parse reads the first column of a line at an offset. The entry's bits lie in buf.
func parse(text []byte, offset int64, buf *[maxBytes]byte) (Entry, error) {
	e := Entry{Offset: offset}
	if isHex(text) {
		whole := text
		if len(text) == shortUserDigits {
			whole = append(append(make([]byte, 0, shortUserDigits+1), text...), '0')
		}
		if len(whole)%2 != 0 || !e.sized(len(whole)/2) {
			return Entry{}, bad(offset, BadLength, "%d hex digits: a telegram has 86 or 256, user bits 53, 54 or 208", len(text))
		}
		n, err := hex.Decode(buf[:], whole)
		if err != nil {
			return Entry{}, bad(offset, BadLine, "read hex: %v", err)
		}
		e.Bits = buf[:n]
		return e, nil
	}
	digits := isBase64(text)
	if digits == 0 {
		return Entry{}, bad(offset, BadLine, "%s", strange(text))
	}
	if !e.sized(base64.RawStdEncoding.DecodedLen(digits)) {
		return Entry{}, bad(offset, BadLength, "base64 of %d bytes: a telegram has 43 or 128, user bits 27 or 104",
			base64.RawStdEncoding.DecodedLen(digits))
	}
	n, err := base64.RawStdEncoding.Decode(buf[:], text[:digits])
	if err != nil {
		return Entry{}, bad(offset, BadLine, "read base64: %v", err)
	}
	e.Bits = buf[:n]
	return e, nil
}

func bad(offset int64, code, format string, args ...any) error {
	return &LineError{Offset: offset, Code: code, Text: fmt.Sprintf(format, args...)}
}

func isHex(text []byte) bool {
	for _, c := range text {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return false
		}
	}
	return len(text) > 0
}

// isBase64 gives the digits of base64 text without the = at its end, 0 where it is none.
func isBase64(text []byte) int {
	digits := bytes.TrimRight(text, "=")
	if pad := len(text) - len(digits); len(digits)%4 == 1 || pad > 2 || pad > 0 && len(text)%4 != 0 {
		return 0
	}
	if strangeAt(digits) < len(digits) {
		return 0
	}
	return len(digits)
}

// strangeAt gives the place of the first byte that is no digit of base64, or the length.
func strangeAt(text []byte) int {
	for i, c := range text {
		if c-'0' > 9 && c|0x20-'a' > 25 && c != '+' && c != '/' {
			return i
		}
	}
	return len(text)
}

// strange says why text is neither hex nor base64. What follows the digits of a telegram is another column.
func strange(text []byte) string {
	if i := strangeAt(text); i >= leastDigits && i < len(text) && text[i] != '=' {
		return fmt.Sprintf("%d digits and then %.1q are neither hex nor base64: columns are separated by ;", i, text[i:])
	}
	return fmt.Sprintf("%.20q is neither hex nor base64", text)
}
