// Package eurobalise turns the bits that a balise sends, a telegram shaped after SUBSET-036 §4.3, into user bits. It
// checks all that the coding lets a receiver check: the parity over the whole telegram, where the telegram begins, the
// polarity, that every word is one of the code, and the control bits.
//
// It is apart from package balise because that begins where this ends: recorders deliver user bits that are decoded
// already, telegram lists (package telegramlist) hold either. The two are used together like this:
//
//	list, dec := telegramlist.NewReader(in), eurobalise.NewDecoder()
//	for {
//		e, err := list.Next()
//		if errors.Is(err, io.EOF) {
//			return nil
//		}
//		if bad, ok := errors.AsType[*telegramlist.LineError](err); ok {
//			in.Issue(sdk.SeverityError, bad.Offset, bad.Code, bad.Text)
//			continue
//		}
//		if err != nil {
//			return err
//		}
//		user, n := e.Bits, e.UserBits()
//		if e.Kind == telegramlist.Shaped {
//			t, err := dec.Decode(e.Bits, e.Long)
//			if err != nil {
//				in.Issue(sdk.SeverityError, e.Offset, string(eurobalise.ReasonOf(err)), err.Error())
//				continue
//			}
//			user, n = t.User[:], t.UserBits
//		}
//		header, ok := reader.Reset(user, n) // a balise.Reader
//		…
//	}
//
// It starts no goroutine, keeps no state outside a Decoder, and decoding a good telegram allocates nothing.
package eurobalise

import (
	"errors"
	"fmt"
	"slices"
)

// Lengths of a telegram and of its user data, in bits.
const (
	LongBits      = 1023
	ShortBits     = 341
	LongUserBits  = 830
	ShortUserBits = 210
)

// mostWords is how many words a telegram has.
const mostWords = LongBits / wordBits

// What lies between the shaped data and the check bits: control bits, scrambling bits, extra shaping bits.
const (
	blockBits   = 10 // of user data, …
	wordBits    = 11 // … which are sent as a word
	checkBits   = 85
	esbBits     = 10
	sbBits      = 12
	controlBits = 3
)

// controlGood is what the control bits are once the polarity is right: b109 = 0, b108 = 0, b107 = 1.
const controlGood = 1

// Reason says which check a telegram failed. Its values are codes of issues.
type Reason string

// Reasons, in the order in which they are looked at.
const (
	BadLength Reason = "bad_length"   // more or fewer bits than the format has
	Parity    Reason = "parity"       // not divisible by the code's polynomial, so bits are wrong
	Sync      Reason = "sync"         // no place in it is where a telegram begins
	Alphabet  Reason = "alphabet"     // 11 bits are no word of the code
	Control   Reason = "control_bits" // another telegram format
)

// Error is why bits are no telegram.
type Error struct {
	Reason Reason
	text   string
}

// Error says what was found.
func (e *Error) Error() string { return e.text }

func fail(r Reason, format string, args ...any) error {
	return &Error{Reason: r, text: fmt.Sprintf(format, args...)}
}

// ReasonOf gives the reason of an error of this package, "" for any other.
func ReasonOf(err error) Reason {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// Telegram is a telegram that passed every check.
type Telegram struct {
	Long     bool
	User     [104]byte // the first UserBits bits, then zeros
	UserBits int
	SB       uint16 // scrambling bits
	ESB      uint16 // extra shaping bits
	Inverted bool   // it was received with the other polarity
	Shift    int    // the bits began with this bit of the telegram; 0 = with its first one
}

// Decoder decodes one telegram after the other; it keeps its tables, about 25 KiB, which NewDecoder computes.
type Decoder struct {
	values      [1 << wordBits]uint16 // by word: the block it stands for, or noValue
	blocks      [1 << blockBits]block // by block as it was sent
	long, short code
	got, turned window
	sent        [mostWords]uint16 // the telegram's words by what they stand for
}

// NewDecoder makes a decoder.
func NewDecoder() *Decoder {
	d := &Decoder{}
	fillValues(&d.values)
	fillBlocks(&d.blocks)
	d.long.init(LongBits, LongUserBits, longF, longG())
	d.short.init(ShortBits, ShortUserBits, shortF, shortG())
	return d
}

// Decode decodes a whole period of a telegram, from whatever bit on, with the first bit highest: 128 bytes for a long
// one, 43 for a short one. Bits after the telegram's last one are not looked at. The error is an *Error.
func (d *Decoder) Decode(b []byte, long bool) (Telegram, error) {
	c := d.code(long)
	if len(b) != c.bytes() {
		return Telegram{}, fail(BadLength, "%d bytes are given, a telegram of %d bits has %d", len(b), c.n, c.bytes())
	}
	return d.decode(b, c)
}

// DecodeWindow decodes what a receiver took: n bits, of which those beyond a whole period, at most another period,
// have to repeat the first ones. A receiver takes 77 bits more than a period of a long telegram and 121 more of a
// short one, which guards against a window that reaches over two telegrams.
func (d *Decoder) DecodeWindow(b []byte, n int, long bool) (Telegram, error) {
	c := d.code(long)
	if n < c.n || n > 2*c.n || len(b) < (n+7)/8 {
		return Telegram{}, fail(BadLength, "a window of %d bits in %d bytes, allowed are %d to %d bits", n, len(b), c.n, 2*c.n)
	}
	for i := range n - c.n {
		if bitAt(b, i) != bitAt(b, c.n+i) {
			return Telegram{}, fail(Parity, "bit %d of the window does not repeat bit %d", c.n+i, i)
		}
	}
	return d.decode(b[:c.bytes()], c)
}

func bitAt(b []byte, i int) byte { return b[i/8] >> (7 - i%8) & 1 }

func (d *Decoder) code(long bool) *code {
	if long {
		return &d.long
	}
	return &d.short
}

// decode does the checks on the first n bits of b, which holds no byte more.
func (d *Decoder) decode(b []byte, c *code) (Telegram, error) {
	d.got.load(b, c.n)
	f, parity := c.remainders(&d.got)
	if parity != (residue{}) {
		return Telegram{}, fail(Parity, "the %d bits are not divisible by the code's polynomial", c.n)
	}
	shift, ok := c.shift(f)
	if !ok {
		return Telegram{}, fail(Sync, "no bit of the %d is the first one of a telegram", c.n)
	}
	t := Telegram{Long: c == &d.long, Shift: shift, UserBits: c.user}
	w := &d.turned
	w.turn(&d.got, (c.n-shift)%c.n, c.n)
	at := c.n - checkBits - esbBits - sbBits - controlBits
	if t.Inverted = w.take(at, 1) != 0; t.Inverted {
		w.invert()
	}
	if !d.split(c.n / wordBits) {
		return Telegram{}, d.stranger(c.n / wordBits)
	}
	if control := w.take(at, controlBits); control != controlGood {
		return Telegram{}, fail(Control, "unknown telegram format: control bits %03b", control)
	}
	t.SB = uint16(w.take(at+controlBits, sbBits))
	t.ESB = uint16(w.take(at+controlBits+sbBits, esbBits))
	d.unscramble(&t)
	return t, nil
}

// split looks up the n words of the telegram, those of its check bits too, and says whether all are of the code.
//
// Like unscramble and remainders it calls nothing in its loop and needs no bounds check: a guest is several times
// slower with either.
func (d *Decoder) split(n int) bool {
	strange := uint16(0)
	for i := range min(n, mostWords) {
		at := i * wordBits
		j, off := at>>6, uint(at&63)
		w := d.turned[j&(windowWords-1)]<<off | d.turned[(j+1)&(windowWords-1)]>>1>>(63-off)
		v := d.values[w>>(64-wordBits)]
		d.sent[i] = v
		strange |= v
	}
	return strange&noValue == 0
}

// stranger is the error for the first of n words that is none of the code.
func (d *Decoder) stranger(n int) error {
	i := slices.Index(d.sent[:n], noValue)
	return fail(Alphabet, "word %d of %d, %04o, is none of the code", i+1, n, d.turned.take(i*wordBits, wordBits))
}

// unscramble writes the user bits. The first block was replaced by the sum of all.
func (d *Decoder) unscramble(t *Telegram) {
	var user [128]byte // a power of two
	state := uint32(t.SB) * scramblerSeed
	sum, first := uint32(0), uint32(0)
	out, have, at := uint64(0), uint(0), uint(0)
	for i := range min(t.UserBits/blockBits, mostWords) {
		s := &d.blocks[d.sent[i]&(1<<blockBits-1)]
		v := state>>(32-blockBits) ^ uint32(s.out)
		state = state<<blockBits ^ s.state
		if i == 0 {
			first, v = v, 0
		}
		sum += v
		out = out<<blockBits | uint64(v)
		for have += blockBits; have >= 8; at++ {
			have -= 8
			user[at%uint(len(user))] = byte(out >> (have & 63))
		}
	}
	user[at%uint(len(user))] = byte(out << ((8 - have) & 63)) // what is left of it, or nothing
	first = (first - sum) % (1 << blockBits)
	user[0] = byte(first >> 2)
	user[1] |= byte(first << 6)
	copy(t.User[:], user[:])
}
