package recorder

import (
	"errors"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/plugins/rail/eurobalise"
	"github.com/wayside-edge/wayside/plugins/rail/telegramlist"
	"github.com/wayside-edge/wayside/sdk/go"
)

// codeNoTelegram is the failure of a list without a telegram.
const codeNoTelegram = codeCorrupt

// Labels of telegramsTable.format.
const (
	formatLong = iota
	formatShort
)

// isText says whether a file that begins with head is text, which a log is not: it begins with a record. Its
// bytes alone do not tell, since from 2032 on a record can do without small ones, and a list can have any in comments
// and in columns that nobody reads. What is shorter than a record's header holds no telegram either.
func isText(head []byte) bool {
	if _, record := plausible(head); record || len(head) <= headerBytes {
		return false
	}
	if telegramlist.Sniff(head) > 0 {
		return true
	}
	for _, c := range head {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// isUTF16 says whether a file that begins with head is text of two bytes to a character. A record of unknown type
// begins otherwise: month and day are not zero.
func isUTF16(head []byte) bool {
	return len(head) >= 4 && (head[0] == 0xff && head[1] == 0xfe && head[3] == 0 || head[0] == 0xfe && head[1] == 0xff && head[2] == 0)
}

// list decodes a list of telegrams. A line that is no telegram is an issue, with the reason of the check that it
// failed; the others go on.
func (d *decoder) list() error {
	coding := eurobalise.NewDecoder()
	for {
		lines := telegramlist.NewReader(d.in)
		if err := d.lines(lines, coding); err != nil {
			return err
		}
		if _, more := d.in.NextPart(); !more {
			break
		}
	}
	if d.out.telegrams.Rows() == 0 {
		return sdk.Fail(codeNoTelegram, "no line of the list is a telegram")
	}
	return nil
}

func (d *decoder) lines(lines *telegramlist.Reader, coding *eurobalise.Decoder) error {
	base := d.in.Offset()
	for {
		e, err := lines.Next()
		var bad *telegramlist.LineError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &bad):
			d.in.Issue(sdk.SeverityError, base+bad.Offset, bad.Code, bad.Text)
			continue
		case err != nil:
			return fmt.Errorf("read a line: %w", err)
		}
		e.Offset += base
		d.entry(&e, coding)
	}
}

// entry writes the telegram of a line.
func (d *decoder) entry(e *telegramlist.Entry, coding *eurobalise.Decoder) {
	user, n := e.Bits, e.UserBits()
	var shaped eurobalise.Telegram
	if e.Kind == telegramlist.Shaped {
		var err error
		if shaped, err = coding.Decode(e.Bits, e.Long); err != nil {
			d.in.Issue(sdk.SeverityError, e.Offset, string(eurobalise.ReasonOf(err)), err.Error())
			return
		}
		user, n = shaped.User[:(shaped.UserBits+7)/8], shaped.UserBits
	}
	h, _ := d.reader.Reset(user, n)
	d.status, d.at, d.text = statusOK, e.Offset, d.text[:0]
	d.content(&h, notRecorded)

	t := d.out.telegrams
	t.offset.Set(e.Offset)
	t.time.Null()
	t.location.Null()
	t.speed.Null()
	t.contactFirst.Null()
	t.contactLast.Null()
	t.contactCentre.Null()
	t.sequence.Null()
	t.header(&h)
	t.packets.SetBytes(d.text)
	user[len(user)-1] &^= 1<<(len(user)*8-n) - 1
	t.userBits.SetBytes(user)
	t.status.Set(d.status)
	t.format.Set(formatOf(e.Long))
	is := e.Kind == telegramlist.Shaped
	t.sb.SetOr(shaped.SB, is)
	t.esb.SetOr(shaped.ESB, is)
	if is {
		t.inverted.Set(shaped.Inverted)
	} else {
		t.inverted.Null()
	}
	t.shift.SetOr(uint16(shaped.Shift), is)
	t.EndRow()
}

func formatOf(long bool) uint8 {
	if long {
		return formatLong
	}
	return formatShort
}
