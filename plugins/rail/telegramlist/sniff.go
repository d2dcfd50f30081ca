package telegramlist

import (
	"bytes"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// sure is how certain Sniff is of a list, of 100. Nothing but the form of one line speaks for it.
const sure = 90

// Sniff says whether a file that begins with head is a list, 0 or 90: its first line that is not blank, a comment or
// only separators holds a telegram.
func Sniff(head []byte) int {
	if _, err := NewReader(bytes.NewReader(head)).Next(); err != nil {
		return 0
	}
	return sure
}

// SniffRule gives Sniff as a rule that the host runs. It differs in one thing: a regular expression cannot say that the
// digits of base64 must not all be hex digits, so it also takes hex that was cut to 36 or 58 digits.
func SniffRule() abi.Sniff {
	return abi.Sniff{
		Comment: "#",
		Regex: `(?i)^([0-9a-f]{53,54}|[0-9a-f]{86}|[0-9a-f]{208}|[0-9a-f]{256}|` +
			`[a-z0-9+/]{36}|[a-z0-9+/]{58}(==)?|[a-z0-9+/]{139}=?|[a-z0-9+/]{171}=?)[ \t]*([;#]|$)`,
	}
}
