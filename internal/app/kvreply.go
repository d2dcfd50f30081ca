package app

import (
	"strconv"
	"unicode/utf8"

	"github.com/wayside-edge/wayside/internal/httpapi"
)

// kvPart is a byte string of an answer, of which a part was kept.
type kvPart struct {
	data []byte
	size int
}

// shown gives the part as httpapi shows it.
func (p *kvPart) shown() *httpapi.KVText {
	data := p.data
	if len(data) < p.size {
		data = betweenCharacters(data)
	}
	return &httpapi.KVText{Data: data, Size: int64(p.size)}
}

// betweenCharacters takes a character away that was cut off at the end of what is text else.
func betweenCharacters(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i < len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if rest := b[:len(b)-i]; !utf8.FullRune(last) && utf8.Valid(rest) {
				return rest
			}
			break
		}
	}
	return b
}

// kvAnswer is an engine.Reply that keeps the texts of an answer one after the other, whatever they are nested in: who asks
// knows the form. Values may be hundreds of megabytes, so of each no more is kept than cut, and of all no more than room.
type kvAnswer struct {
	cut, room int
	most      int // parts that are kept, 0 = all
	parts     []kvPart
	seen      int   // parts that there were
	number    int64 // the last integer
	failure   string
}

// add keeps the beginning of a text of some size.
func (a *kvAnswer) add(b []byte, size int) {
	if a.seen++; a.most > 0 && a.seen > a.most {
		return
	}
	n := min(len(b), a.cut, a.room)
	a.room -= n
	a.parts = append(a.parts, kvPart{append(make([]byte, 0, n), b[:n]...), size})
}

// Version is that of the protocol.
func (*kvAnswer) Version() int { return 2 }

// Error keeps the first one.
func (a *kvAnswer) Error(s string) {
	if a.failure == "" {
		a.failure = s
	}
}

// Int keeps a number.
func (a *kvAnswer) Int(n int64) { a.number = n }

// Bulk keeps a byte string.
func (a *kvAnswer) Bulk(b []byte) { a.add(b, len(b)) }

// BulkString keeps a text.
func (a *kvAnswer) BulkString(s string) { a.add([]byte(s[:min(len(s), a.cut)]), len(s)) }

// Double keeps a number as a text.
func (a *kvAnswer) Double(f float64) { a.BulkString(strconv.FormatFloat(f, 'g', -1, 64)) }

// Simple is a status.
func (*kvAnswer) Simple(string) {}

// Bool is yes or no.
func (*kvAnswer) Bool(bool) {}

// Null is nothing.
func (*kvAnswer) Null() {}

// NullArray is nothing.
func (*kvAnswer) NullArray() {}

// Verbatim is a text for people.
func (*kvAnswer) Verbatim(string, string) {}

// BigNumber is a number that is none here.
func (*kvAnswer) BigNumber(string) {}

// Array is a head.
func (*kvAnswer) Array(int) {}

// Map is a head.
func (*kvAnswer) Map(int) {}

// Set is a head.
func (*kvAnswer) Set(int) {}

// Push is a head.
func (*kvAnswer) Push(int) {}

// Mark is for heads that are written later.
func (*kvAnswer) Mark() int { return 0 }

// ArrayAt is a head that is written later.
func (*kvAnswer) ArrayAt(int, int) {}

// MapAt is a head that is written later.
func (*kvAnswer) MapAt(int, int) {}

// SetAt is a head that is written later.
func (*kvAnswer) SetAt(int, int) {}

// Undo takes back what a command wrote that has failed.
func (a *kvAnswer) Undo(int) { a.parts, a.seen = nil, 0 }
