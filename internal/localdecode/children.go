package localdecode

import (
	"fmt"
	"strings"
)

// childrenShown is how many files found inside an input are named.
const childrenShown = 10

// childLines names the files that a decoder found inside an input: they are not decoded here.
func childLines(o *outcome) string {
	if o.result == nil || len(o.result.Children) == 0 {
		return ""
	}
	list := o.result.Children
	var names []string
	for _, c := range list[:min(len(list), childrenShown)] {
		names = append(names, printable(c.Name))
	}
	more := ""
	if n := len(list) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Sprintf("%s%s inside, not decoded: %s%s\n", indent, plural(int64(len(list)), "file"), strings.Join(names, ", "), more)
}
