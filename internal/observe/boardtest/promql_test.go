package boardtest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for expr, want := range map[string]Expression{
		"up": {Selectors: []Selector{{Metric: "up", Text: "up"}}},
		`sum by (a, b) (rate(x_total{c="(by)", d!~'q\'[',}[5m] offset 1d)) * 2e3 / on (e) group_left (f) y:z@end()`: {
			Selectors: []Selector{{"x_total", []string{"c", "d"}, `x_total{c="(by)", d!~'q\'[',}`}, {"y:z", nil, "y:z"}}, Grouping: []string{"a", "b", "e", "f"}, Keeps: []string{"a", "b", "f"},
		},
		"sum(x) without (a) + count by () (y) > bool 0 and ignoring (b) group_right z": {
			Selectors: []Selector{{"x", nil, "x"}, {"y", nil, "y"}, {"z", nil, "z"}}, Grouping: []string{"a", "b"},
		},
		"-x{a=\"b\"} atan2 Inf\n\tunless by": {Selectors: []Selector{{"x", []string{"a"}, `x{a="b"}`}}},
	} {
		got, err := Parse(expr)
		if strings.HasSuffix(expr, "by") {
			if err == nil {
				t.Errorf("%s: taken", expr)
			}
			continue
		}
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", expr, err, d)
		}
	}
	for _, expr := range []string{
		"", "1 + 1", `{job="a"}`, "x{a}", `x{a="b"`, "x)", "(x", "x[5m", "x{a=b}", `x{a=="b"}`, "sum by (x", "sum by x (y)", "sum by (1) (y)", "x # y", "$x", `x{a="b}`,
		"ü", "x{", "x{a=", "sum by", "sum by (",
	} {
		if got, err := Parse(expr); err == nil {
			t.Errorf("%s: taken as %+v", expr, got)
		}
	}
}

func TestOperands(t *testing.T) {
	for condition, want := range map[string][]string{
		"up == 0":                           {"up"},
		"x < bool 1":                        {"x"},
		"a / b >= 0.5 and on (i, j) c > 20": {"a / b", "c"},
		"(a > 1 or (b < 2)) unless d":       {"a", "b", "d"},
		"(a + b) * (c - d) > 0":             {"(a + b) * (c - d)"},
		"count(a > 0) != 3":                 {"count(a > 0)"},
		`x{a="and > 1"} > 2`:                {`x{a="and > 1"}`},
		"((x))":                             {"x"},
	} {
		got, err := Operands(condition)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v %s", condition, err, d)
		}
	}
	for _, condition := range []string{"", "a and", "> 1", "a > 1 or > 2", "()", "(a", "a and on (b"} {
		if got, err := Operands(condition); err == nil {
			t.Errorf("%s: taken as %q", condition, got)
		}
	}
}

func TestFill(t *testing.T) {
	values := map[string]string{"job": "J", "__rate_interval": "1m"}
	got, err := Fill(`rate(x{job=~"$job", j="${job}", k="${job:regex}"}[$__rate_interval])`, values)
	if want := `rate(x{job=~"J", j="J", k="J"}[1m])`; err != nil || got != want {
		t.Errorf("%v %s", err, got)
	}
	if got, err := Fill("x[$__range]", values); err == nil {
		t.Errorf("an unknown one gives %s", got)
	}
}
