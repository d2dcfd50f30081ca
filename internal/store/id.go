package store

import "fmt"

// idDigits makes ids of a kind letter and ten digits: enough for 35 years of a million a second.
const idDigits = 10

// MaxID is the largest number that has an id.
const MaxID = 1<<(5*idDigits) - 1

const idAlphabet = "0123456789abcdefghijklmnopqrstuv"

// FormatID gives the public id of the number n: the letter of its kind and n in base32hex, lower case, of fixed
// width, so that ids of a kind sort in the order of their creation. It panics if n is beyond MaxID or kind is no
// lower-case letter.
func FormatID(kind byte, n uint64) string {
	if n > MaxID || kind < 'a' || kind > 'z' {
		panic(fmt.Sprintf("store: no id for %q %d", kind, n))
	}
	var buf [1 + idDigits]byte
	buf[0] = kind
	for i := idDigits; i > 0; i-- {
		buf[i] = idAlphabet[n&31]
		n >>= 5
	}
	return string(buf[:])
}

// ParseID is the inverse of FormatID. It returns ErrBadID for any other text.
func ParseID(id string) (kind byte, n uint64, err error) {
	if len(id) != 1+idDigits || id[0] < 'a' || id[0] > 'z' {
		return 0, 0, ErrBadID
	}
	for _, c := range []byte(id[1:]) {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'v':
			c -= 'a' - 10
		default:
			return 0, 0, ErrBadID
		}
		n = n<<5 | uint64(c)
	}
	return id[0], n, nil
}
