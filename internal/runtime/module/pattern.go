package module

import (
	"fmt"
	"regexp"
	"regexp/syntax"
)

// Limits of the regular expressions of one manifest, which the serving process compiles and runs. RE2 takes time in
// proportion to text and expression, but the expression is what its repetitions say it is: 256 bytes can be a hundred
// thousand states, which take hundreds of megabytes, and minutes for 4 KiB of text.
const (
	maxPattern     = 256
	maxPatternCost = 4096 // states, of all together; the rail decoder's rule has some 1,100
	classPerCost   = 16   // runes in the table of a class that count as a state
)

// Patterns compiles regular expressions, which have a limit together. The zero value is ready for those of one manifest.
type Patterns struct {
	cost int64
	done map[string]*regexp.Regexp
}

// Compile compiles an expression. One that was compiled before costs nothing.
func (p *Patterns) Compile(text string) (*regexp.Regexp, error) {
	if re := p.done[text]; re != nil {
		return re, nil
	}
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the regular expression is longer than %d bytes", maxPattern)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	if p.cost += patternCost(tree); p.cost > maxPatternCost {
		return nil, fmt.Errorf("the regular expressions have %d states or more, the limit is %d", p.cost, maxPatternCost)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("regex: %w", err)
	}
	if p.done == nil {
		p.done = map[string]*regexp.Regexp{}
	}
	p.done[text] = re
	return re, nil
}

// patternCost gives about how many states an expression has when its repetitions are written out. Package syntax keeps
// repetitions within each other below a thousand, and the text is short, so that the sum does not wrap.
func patternCost(re *syntax.Regexp) int64 {
	cost := int64(1)
	switch re.Op {
	case syntax.OpLiteral:
		return int64(len(re.Rune))
	case syntax.OpCharClass:
		return 1 + int64(len(re.Rune))/classPerCost
	default:
	}
	for _, sub := range re.Sub {
		cost += patternCost(sub)
	}
	if re.Op == syntax.OpRepeat {
		cost *= int64(max(re.Min, re.Max, 1))
	}
	return cost
}
