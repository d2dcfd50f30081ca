package main

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// fact is a line of the variables' facts.
type fact struct{ name, most, resolution, special string }

// readVariables reads the facts by name.
func readVariables(path string) (map[string]fact, error) {
	lines, err := readLines(path)
	if err != nil {
		return nil, err
	}
	out := make(map[string]fact)
	for i, l := range lines[1:] {
		c := strings.Split(l, "\t")
		if len(c) != 7 {
			return nil, fmt.Errorf("variables, line %d: %d columns", i+2, len(c))
		}
		out[c[0]] = fact{name: c[0], most: c[4], resolution: c[5], special: c[6]}
	}
	for _, f := range extraFacts() {
		if _, ok := out[f.name]; ok {
			return nil, fmt.Errorf("variable %s: the facts have it now", f.name)
		}
		out[f.name] = f
	}
	return out, nil
}

// variable and meaning mirror the types of package balise.
type variable struct {
	unit        int
	scale       string
	times, by   float64 // value = raw · times / by, which rounds once
	most        uint64  // highest raw value with a number, 0 = all
	first, last int     // its part of ranges
}

type meaning struct {
	from, to uint64
	text     int
}

// described is what package balise knows of the variables.
type described struct {
	vars     []variable
	ranges   []meaning
	units    *names
	meanings *names
}

// describeAll describes the variables that layouts use.
func describeAll(list []string, bits map[int]int, facts map[string]fact) (*described, error) {
	d := &described{units: newNames(), meanings: newNames()}
	d.vars = append(d.vars, variable{scale: "scaleLinear", times: 1, by: 1})
	for i, name := range list[1:] {
		f, ok := facts[name]
		if !ok {
			return nil, fmt.Errorf("variable %s: not in the facts", name)
		}
		v, err := d.describe(f)
		if err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		v.first = len(d.ranges)
		if err := d.special(f, bits[i+1], v); err != nil {
			return nil, fmt.Errorf("variable %s: %w", name, err)
		}
		v.last = len(d.ranges)
		d.vars = append(d.vars, *v)
	}
	return d, nil
}

var quantity = regexp.MustCompile(`^([0-9.]+)(?: (.+))?$`)

// units as the facts write them, in UCUM where the unit has a code.
var ucum = map[string]string{
	"": "", "m": "m", "km/h": "km/h", "s": "s", "day": "d", "A": "A", "t": "t", "m/s**2": "m/s2", "per mil": "[ppth]", "bit": "bit",
	"Text String Element": "",
}

// describe reads resolution and range.
func (d *described) describe(f fact) (*variable, error) {
	switch f.resolution {
	case byScale:
		most, err := strconv.ParseFloat(strings.TrimSuffix(f.most, " km"), 64)
		if err != nil {
			return nil, fmt.Errorf("maximum %q: %w", f.most, err)
		}
		return &variable{unit: d.units.of("m"), scale: "scaleQ", times: 1, by: 1, most: uint64(most*100 + 0.5)}, nil
	case "Binary Coded Decimal":
		return &variable{scale: "scaleBCD", times: 1, by: 1}, nil
	}
	m := quantity.FindStringSubmatch(f.resolution)
	if m == nil {
		return &variable{scale: "scaleLinear", times: 1, by: 1}, nil
	}
	times, by, err := ratio(m[1])
	if err != nil {
		return nil, fmt.Errorf("resolution %q: %w", f.resolution, err)
	}
	unit, ok := ucum[m[2]]
	if !ok {
		return nil, fmt.Errorf("resolution %q: unknown unit", f.resolution)
	}
	v := &variable{unit: d.units.of(unit), scale: "scaleLinear", times: times, by: by}
	if q := quantity.FindStringSubmatch(f.most); q != nil {
		most, err := strconv.ParseFloat(q[1], 64)
		if err != nil {
			return nil, fmt.Errorf("maximum %q: %w", f.most, err)
		}
		v.most = uint64(most*by/times + 0.5)
	}
	return v, nil
}

// ratio reads a decimal as a ratio of whole numbers.
func ratio(s string) (times, by float64, err error) {
	whole, part, _ := strings.Cut(s, ".")
	n, err := strconv.ParseUint(whole+part, 10, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("decimal %q: %w", s, err)
	}
	return float64(n), math.Pow10(len(part)), nil
}

var (
	binaryKey = regexp.MustCompile(`^([01xX ]+) (.+)$`)
	numberKey = regexp.MustCompile(`^(\d+)(?:-(\d+))? (.+)$`)
	decimal   = regexp.MustCompile(`^([0-9.]+) - ([0-9.]+) (.+)$`)
	hexKey    = regexp.MustCompile(`^(FFFF(?: FFFF)*) (.+)$`)
	digitKey  = regexp.MustCompile(`^(A-E|F) `)
	badPoint  = regexp.MustCompile(`(\d)_(\d)`)
)

// special reads the values with a meaning.
func (d *described) special(f fact, bits int, v *variable) error {
	if f.special == "" {
		return nil
	}
	entries := strings.Split(f.special, "; ")
	if patterns := bitPatterns(entries, bits); patterns != nil {
		d.enumerate(patterns, bits)
		return nil
	}
	for _, e := range entries {
		if digitKey.MatchString(e) {
			continue // of binary coded digits, not of the value
		}
		from, to, text, err := d.entry(e, bits, v)
		if err != nil {
			return err
		}
		d.ranges = append(d.ranges, meaning{from, to, d.meanings.of(clean(text))})
	}
	return nil
}

// entry reads one value or range with its meaning.
func (d *described) entry(e string, bits int, v *variable) (from, to uint64, text string, err error) {
	if m := hexKey.FindStringSubmatch(e); m != nil {
		all, err := strconv.ParseUint(strings.ReplaceAll(m[1], " ", ""), 16, 64)
		return all, all, m[2], err
	}
	if m := decimal.FindStringSubmatch(e); m != nil {
		a, err1 := strconv.ParseFloat(m[1], 64)
		b, err2 := strconv.ParseFloat(m[2], 64)
		if err1 != nil || err2 != nil {
			return 0, 0, "", fmt.Errorf("special value %q", e)
		}
		return uint64(a*v.by/v.times + 0.5), uint64(b*v.by/v.times + 0.5), m[3], nil
	}
	if m := binaryKey.FindStringSubmatch(e); m != nil && strings.HasPrefix(e, "1111 1111 ") {
		all := ^uint64(0) >> (64 - bits) // D_CYCLOC is written with 8 of its 15 bits
		return all, all, m[2], nil
	}
	m := numberKey.FindStringSubmatch(e)
	if m == nil {
		return 0, 0, "", fmt.Errorf("special value %q", e)
	}
	if from, err = strconv.ParseUint(m[1], 10, 64); err != nil {
		return 0, 0, "", fmt.Errorf("special value %q: %w", e, err)
	}
	to = from
	if m[2] != "" {
		if to, err = strconv.ParseUint(m[2], 10, 64); err != nil {
			return 0, 0, "", fmt.Errorf("special value %q: %w", e, err)
		}
	}
	return from, to, m[3], nil
}

// pattern is a value written bit by bit, x = any.
type pattern struct{ bits, text string }

func (p pattern) matches(v uint64) bool {
	for i := range len(p.bits) {
		bit := byte('0' + v>>(len(p.bits)-1-i)&1)
		if c := p.bits[i]; c != 'x' && c != bit {
			return false
		}
	}
	return true
}

var (
	bitsWord  = regexp.MustCompile(`^[01xX]+$`)
	bitsRange = regexp.MustCompile(`^([01]+)-([01]+)$`)
)

// bitPatterns reads entries that are all written bit by bit in the variable's width, else nil. One-bit values read
// the same either way.
func bitPatterns(entries []string, bits int) []pattern {
	if bits > 8 {
		return nil
	}
	var out []pattern
	for _, e := range entries {
		words := strings.Fields(e)
		if m := bitsRange.FindStringSubmatch(words[0]); m != nil && len(m[1]) == bits {
			from, _ := strconv.ParseUint(m[1], 2, 64)
			to, _ := strconv.ParseUint(m[2], 2, 64)
			for v := from; v <= to; v++ {
				out = append(out, pattern{fmt.Sprintf("%0*b", bits, v), strings.Join(words[1:], " ")})
			}
			continue
		}
		p := ""
		for len(p) < bits && len(words) > 0 && bitsWord.MatchString(words[0]) {
			p += strings.ToLower(words[0])
			words = words[1:]
		}
		if len(p) != bits {
			return nil
		}
		out = append(out, pattern{p, strings.Join(words, " ")})
	}
	return out
}

// clean mends points that the facts' source turned into underscores.
func clean(text string) string {
	text = strings.ReplaceAll(text, "e_g_", "e.g.")
	return badPoint.ReplaceAllString(badPoint.ReplaceAllString(text, "$1.$2"), "$1.$2")
}

// enumerate tries every value; several patterns that match are a set.
func (d *described) enumerate(patterns []pattern, bits int) {
	var last string
	for v := range uint64(1) << bits {
		var texts []string
		for _, p := range patterns {
			if p.matches(v) && (p.text != "Spare" || len(texts) == 0) {
				texts = append(texts, clean(p.text))
			}
		}
		text := strings.Join(texts, ", ")
		switch text {
		case "":
		case last:
			d.ranges[len(d.ranges)-1].to = v
		default:
			d.ranges = append(d.ranges, meaning{v, v, d.meanings.of(text)})
		}
		last = text
	}
}
