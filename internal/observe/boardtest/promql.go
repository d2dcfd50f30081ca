package boardtest

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Selector is one choice of series: a metric, and the labels that are asked of it.
type Selector struct {
	Metric string
	Labels []string
	Text   string // as it stands in the expression, without a range
}

// Expression is what an expression of PromQL names.
type Expression struct {
	Selectors []Selector
	Grouping  []string // labels of by, without, on, ignoring, group_left and group_right
	Keeps     []string // labels of by and group_left alone: those that a result has beside what it was selected by
}

// token is a piece of an expression and where it stands.
type token struct {
	kind     kind
	text     string
	from, to int
}

type kind int

const (
	word kind = iota // name of a metric, label or function, or a keyword
	number
	quoted
	sign
)

func (t token) opens() bool {
	return t.kind == sign && (t.text == "(" || t.text == "[" || t.text == "{")
}

func (t token) closes() bool {
	return t.kind == sign && (t.text == ")" || t.text == "]" || t.text == "}")
}

// signs are those of more than one character; every other is one.
var signs = []string{"==", "!=", ">=", "<=", "=~", "!~"} //nolint:gochecknoglobals // a constant list

var lexer = regexp.MustCompile(`^(?:([a-zA-Z_:][a-zA-Z0-9_:]*)|([0-9][0-9a-zA-Z.]*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))`) //nolint:gochecknoglobals // compiled once

// tokens takes an expression apart. Variables of Grafana must have been filled in.
func tokens(expr string) ([]token, error) {
	var out []token
	for at := 0; at < len(expr); {
		if strings.ContainsRune(" \t\n", rune(expr[at])) {
			at++
			continue
		}
		t := token{kind: sign, from: at}
		if m := lexer.FindStringSubmatch(expr[at:]); m != nil {
			t.text = m[0]
			t.kind = kind(slices.IndexFunc(m[1:], func(s string) bool { return s != "" }))
		} else if i := slices.IndexFunc(signs, func(s string) bool { return strings.HasPrefix(expr[at:], s) }); i >= 0 {
			t.text = signs[i]
		} else {
			r, n := utf8.DecodeRuneInString(expr[at:])
			if t.text = expr[at : at+n]; !strings.ContainsRune("(){}[],+-*/%^<>=:@", r) {
				return nil, fmt.Errorf("%q at %d of %s", t.text, at, expr)
			}
		}
		at += len(t.text)
		t.to = at
		out = append(out, t)
	}
	return out, balanced(expr, out)
}

func balanced(expr string, list []token) error {
	var open []string
	for _, t := range list {
		switch {
		case t.opens():
			open = append(open, map[string]string{"(": ")", "[": "]", "{": "}"}[t.text])
		case t.closes():
			if len(open) == 0 || open[len(open)-1] != t.text {
				return fmt.Errorf("%s at %d of %s closes nothing", t.text, t.from, expr)
			}
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		return fmt.Errorf("%s is missing in %s", open[len(open)-1], expr)
	}
	return nil
}

// parser reads what an expression names.
type parser struct {
	expr string
	list []token
	at   int
	out  Expression
}

// Parse finds the metrics and labels in an expression. It does not check that the whole is PromQL: Prometheus does.
func Parse(expr string) (Expression, error) {
	list, err := tokens(expr)
	if err != nil {
		return Expression{}, err
	}
	p := parser{expr: expr, list: list}
	for p.at < len(p.list) {
		if err := p.step(); err != nil {
			return Expression{}, fmt.Errorf("%w in %s", err, expr)
		}
	}
	if len(p.out.Selectors) == 0 {
		return Expression{}, fmt.Errorf("no metric in %s", expr)
	}
	return p.out, nil
}

// is says whether the token at an offset from the present one is this sign.
func (p *parser) is(offset int, text string) bool {
	i := p.at + offset
	return i < len(p.list) && p.list[i].kind == sign && p.list[i].text == text
}

func (p *parser) step() error {
	t := p.list[p.at]
	switch {
	case t.kind == sign && t.text == "{":
		return errors.New("a choice without a metric's name")
	case t.kind == sign && t.text == "[":
		for !p.is(0, "]") {
			p.at++ // a range has durations only
		}
	case t.kind != word:
	case slices.Contains([]string{"by", "without", "on", "ignoring", "group_left", "group_right"}, t.text):
		return p.grouping(t.text)
	case slices.Contains([]string{"and", "or", "unless", "bool", "offset", "atan2", "Inf", "NaN"}, t.text):
	case p.is(1, "("): // a function, or an aggregation with its labels at the end
	case p.at+1 < len(p.list) && slices.Contains([]string{"by", "without"}, p.list[p.at+1].text): // an aggregation
	default:
		return p.selector(t.text)
	}
	p.at++
	return nil
}

// grouping reads a list of labels. Those of group_left may be missing.
func (p *parser) grouping(what string) error {
	p.at++
	if !p.is(0, "(") {
		if strings.HasPrefix(what, "group_") {
			return nil
		}
		return fmt.Errorf("no labels after %s", what)
	}
	for p.at++; !p.is(0, ")"); p.at++ {
		switch t := p.list[p.at]; {
		case t.kind == word:
			p.out.Grouping = append(p.out.Grouping, t.text)
			if what == "by" || what == "group_left" {
				p.out.Keeps = append(p.out.Keeps, t.text)
			}
		case t.text != ",":
			return fmt.Errorf("%s among the labels of %s", t.text, what)
		}
	}
	p.at++
	return nil
}

func (p *parser) selector(metric string) error {
	s := Selector{Metric: metric}
	from := p.list[p.at].from
	p.at++
	if p.is(0, "{") {
		for p.at++; !p.is(0, "}"); {
			if p.at+2 >= len(p.list) || p.list[p.at].kind != word || p.list[p.at+2].kind != quoted ||
				!slices.Contains([]string{"=", "!=", "=~", "!~"}, p.list[p.at+1].text) {
				return fmt.Errorf("no label and value at %s", p.list[p.at].text)
			}
			s.Labels = append(s.Labels, p.list[p.at].text)
			if p.at += 3; p.is(0, ",") {
				p.at++
			}
		}
		p.at++
	}
	s.Text = p.expr[from:p.list[p.at-1].to]
	p.out.Selectors = append(p.out.Selectors, s)
	return nil
}

// Operands gives the parts of a condition that are compared: without and, or, unless, and without the comparisons. Each
// is an expression that has a value also while the condition does not hold. What is within a function stays as it is.
func Operands(condition string) ([]string, error) {
	list, err := tokens(condition)
	if err != nil {
		return nil, err
	}
	if inner, ok := unwrapped(condition, list); ok {
		return Operands(inner)
	}
	var out []string
	begin, end, depth := 0, -1, 0 // of the present operand; its end is known once it is compared
	flush := func(to int) error {
		if end < 0 {
			end = to
		}
		part := strings.TrimSpace(condition[begin:end])
		inner, err := operand(part)
		out = append(out, inner...)
		end = -1
		return err
	}
	for i := 0; i < len(list); i++ {
		t := list[i]
		switch {
		case t.opens():
			depth++
		case t.closes():
			depth--
		case depth > 0:
		case t.kind == sign && slices.Contains([]string{"==", "!=", ">", "<", ">=", "<="}, t.text):
			if end < 0 {
				end = t.from
			}
		case t.kind == word && slices.Contains([]string{"and", "or", "unless"}, t.text):
			if err := flush(t.from); err != nil {
				return nil, err
			}
			i = afterMatching(list, i)
			begin = list[i].to
		}
	}
	if err := flush(len(condition)); err != nil {
		return nil, err
	}
	return out, nil
}

// operand gives a part of a condition, or, where it is a condition in parentheses, the parts of that.
func operand(part string) ([]string, error) {
	list, err := tokens(part)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("a condition with an empty part")
	}
	if inner, ok := unwrapped(part, list); ok {
		return Operands(inner)
	}
	return []string{part}, nil
}

// unwrapped takes the parentheses off that are around the whole.
func unwrapped(expr string, list []token) (string, bool) {
	if len(list) < 2 || list[0].text != "(" {
		return expr, false
	}
	depth := 0
	for i, t := range list {
		if t.kind == sign && t.text == "(" {
			depth++
		}
		if t.kind == sign && t.text == ")" {
			if depth--; depth == 0 {
				return expr[list[0].to:t.from], i == len(list)-1
			}
		}
	}
	return expr, false
}

// afterMatching skips the labels that two sides of and, or or unless are matched by; it gives the last token before the
// second side.
func afterMatching(list []token, i int) int {
	if i+2 < len(list) && slices.Contains([]string{"on", "ignoring"}, list[i+1].text) {
		for i += 2; i < len(list)-1 && list[i].text != ")"; {
			i++
		}
	}
	return i
}

// variable is one of Grafana's in an expression.
var variable = regexp.MustCompile(`\$(?:\{(\w+)(?::\w+)?\}|(\w+))`) //nolint:gochecknoglobals // compiled once

// Fill puts values in the place of Grafana's variables; each must have one.
func Fill(expr string, values map[string]string) (string, error) {
	var err error
	out := variable.ReplaceAllStringFunc(expr, func(found string) string {
		m := variable.FindStringSubmatch(found)
		value, ok := values[m[1]+m[2]]
		if !ok {
			err = fmt.Errorf("no variable %s for %s", found, expr)
		}
		return value
	})
	return out, err
}
