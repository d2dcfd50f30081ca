package module

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/wayside-edge/wayside/sdk/go/abi"
)

func compileRegex(s *abi.Sniff, all *Patterns) (Rule, error) {
	if len(s.Comment) > maxComment {
		return Rule{}, fmt.Errorf("the comment prefix is longer than %d bytes", maxComment)
	}
	for _, c := range []byte(s.Comment) {
		if c <= ' ' || c > '~' {
			return Rule{}, errors.New("the comment prefix is not of printable ASCII characters")
		}
	}
	if s.Comment != "" {
		if all.cost += commentCost; all.cost > maxPatternCost {
			return Rule{}, errors.New("too many rules with a comment")
		}
	}
	re, err := all.Compile(s.Regex)
	if err != nil {
		return Rule{}, err
	}
	return Rule{regex: re, comment: []byte(s.Comment)}, nil
}

// line gives the line that a regex rule looks at, 4 KiB of it at most.
func (r *Rule) line(head []byte) ([]byte, bool) {
	if len(r.comment) == 0 {
		return firstLine(head), true
	}
	line, ok := firstText(head, r.comment)
	return line[:min(len(line), regexWindow)], ok
}

// firstLine gives the first 4 KiB of the first line, without its end.
func firstLine(head []byte) []byte {
	if len(head) > regexWindow {
		head = head[:regexWindow]
	}
	if i := bytes.IndexByte(head, '\n'); i >= 0 {
		head = head[:i]
	}
	return bytes.TrimSuffix(head, []byte{'\r'})
}

// firstText gives the first line that is no comment and not only separators, without blanks around. It looks at each
// byte a fixed number of times, whatever the lines are.
func firstText(head, comment []byte) ([]byte, bool) {
	const blanks, separators = " \t", " \t,;"
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	for len(head) > 0 {
		line := head
		if i := bytes.IndexAny(head, "\r\n"); i >= 0 {
			line, head = head[:i], head[i+1:]
		} else {
			head = nil
		}
		if text := bytes.Trim(line, separators); len(text) > 0 && !bytes.HasPrefix(text, comment) {
			return bytes.Trim(line, blanks), true
		}
	}
	return nil, false
}
