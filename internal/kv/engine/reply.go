package engine

// Reply takes the answer of a command, value by value: an array's head is followed by its values. resp.Writer writes it
// for a socket, package script turns it into values of Lua.
type Reply interface {
	// Version is that of the protocol, 2 or 3. Commands need it only where their answers differ by more than the form.
	Version() int

	Simple(s string) // a status
	Error(s string)  // the whole text: a word that programs know, and a sentence
	Int(n int64)
	Bulk(b []byte) // is copied
	BulkString(s string)
	Double(f float64)
	Bool(b bool)
	Null()
	NullArray()
	Verbatim(format, text string)
	BigNumber(s string)

	Array(n int)
	Map(n int) // pairs
	Set(n int)
	Push(n int)

	// Mark, ArrayAt, MapAt and SetAt write a head when what follows it was counted: the head is put where the mark was taken.
	Mark() int
	ArrayAt(mark, n int)
	MapAt(mark, n int)
	SetAt(mark, n int)
	// Undo takes back what was written since the mark.
	Undo(mark int)
}

// discard is the Reply of who wants none.
type discard struct{}

func (discard) Version() int            { return 2 }
func (discard) Simple(string)           {}
func (discard) Error(string)            {}
func (discard) Int(int64)               {}
func (discard) Bulk([]byte)             {}
func (discard) BulkString(string)       {}
func (discard) Double(float64)          {}
func (discard) Bool(bool)               {}
func (discard) Null()                   {}
func (discard) NullArray()              {}
func (discard) Verbatim(string, string) {}
func (discard) BigNumber(string)        {}
func (discard) Array(int)               {}
func (discard) Map(int)                 {}
func (discard) Set(int)                 {}
func (discard) Push(int)                {}
func (discard) Mark() int               { return 0 }
func (discard) ArrayAt(int, int)        {}
func (discard) MapAt(int, int)          {}
func (discard) SetAt(int, int)          {}
func (discard) Undo(int)                {}

// Discard takes an answer and forgets it.
var Discard Reply = discard{}
