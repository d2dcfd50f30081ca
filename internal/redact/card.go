package redact

import "strings"

// A card number has 13 to 19 digits.
const (
	minCard = 13
	maxCard = 19
	// maxRun bounds how far a number is looked at: a card number, a separator after each digit, and one digit more.
	maxRun = 2*maxCard + 1
)

// cards hides card numbers in a text: 13 to 19 digits with a valid checksum that are written in groups or begin as an
// issuer's numbers do. A number that is part of a word or of a longer number is none.
func cards(s string) string {
	var out strings.Builder
	done := 0
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			continue
		}
		run := digitRun(s[i:min(len(s), i+maxRun)])
		edge := i == 0 || !wordByte(s[i-1]) && s[i-1] != '.'
		end := i
		if edge {
			end = i + cardAt(s[i:], run)
		}
		if end > i {
			out.WriteString(s[done:i])
			out.WriteString(Mask)
			done, i = end, end-1
			continue
		}
		i += firstGroup(s[i:]) - 1
	}
	if done == 0 {
		return s
	}
	out.WriteString(s[done:])
	return out.String()
}

// firstGroup counts the digits that s begins with.
func firstGroup(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// digitRun gives the length of groups of digits with single spaces or hyphens between them.
func digitRun(s string) int {
	end := firstGroup(s)
	for end+1 < len(s) && (s[end] == ' ' || s[end] == '-') && s[end+1] >= '0' && s[end+1] <= '9' {
		end += 1 + firstGroup(s[end+1:])
	}
	return end
}

// cardAt gives the length of the card number that s begins with, 0 for none. Its first size bytes are groups of digits.
func cardAt(s string, size int) int {
	run := s[:size]
	first := firstGroup(run)
	if first >= minCard {
		if first <= maxCard && edgeAfter(s[first:]) && issued(run[:first]) && checksum(run[:first]) {
			return first
		}
		return 0
	}
	var digits strings.Builder
	end, groups := 0, 0
	for end < len(run) {
		n := firstGroup(run[end:])
		if n < 1 || n > 6 || groups > 0 && run[end-1] != run[first] {
			return 0
		}
		digits.WriteString(run[end : end+n])
		end += n
		groups++
		total := digits.Len()
		if total > maxCard {
			return 0
		}
		if groups >= 3 && total >= minCard && first >= 3 && edgeAfter(s[end:]) && checksum(digits.String()) {
			return end
		}
		end++ // the separator
	}
	return 0
}

// edgeAfter reports that no word goes on here.
func edgeAfter(s string) bool {
	return s == "" || !wordByte(s[0]) && (s[0] != '.' || len(s) == 1 || s[1] < '0' || s[1] > '9')
}

// issued reports whether digits begin and are as long as the numbers of a card issuer.
func issued(d string) bool {
	n := len(d)
	two, four := d[:2], d[:4]
	switch {
	case d[0] == '4':
		return n == 13 || n == 16 || n == 19
	case two == "34" || two == "37":
		return n == 15
	case two >= "51" && two <= "55", four >= "2221" && four <= "2720":
		return n == 16
	case two == "36" || two == "38" || two == "39" || d[:3] >= "300" && d[:3] <= "305":
		return n >= 14
	case two == "35":
		return n >= 16
	case four == "6011" || two == "65" || two == "64" || two == "62":
		return n >= 16
	case two == "50" || two >= "56" && two <= "69":
		return true
	}
	return false
}

// checksum is Luhn's.
func checksum(d string) bool {
	sum, zero := 0, true
	for i := range len(d) {
		v := int(d[len(d)-1-i] - '0')
		zero = zero && v == 0
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0 && !zero
}
