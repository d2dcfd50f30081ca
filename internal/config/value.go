package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A raw value is what a layer holds before its type is known: a string, a []string or a map[string]any of strings.

// set parses raw into the field of the key.
func (k *key) set(c *Config, raw any) error {
	switch v := raw.(type) {
	case string:
		return k.setText(c, v)
	case []string:
		return k.setList(c, v)
	case map[string]any:
		return k.setMap(c, v)
	}
	return fmt.Errorf("%T is no value", raw)
}

func (k *key) setText(c *Config, s string) error {
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
		return errors.New("the value holds characters that cannot be part of a setting")
	}
	s = strings.TrimSpace(s)
	switch p := k.at(c).(type) {
	case *[]string, *[]int:
		return k.setList(c, splitList(s))
	case *map[string]int, *map[string]time.Duration, *map[string]Level, *map[string]PluginSettings:
		m, err := splitMap(s)
		if err != nil {
			return err
		}
		return k.setMap(c, m)
	case *string:
		*p = s
		return k.allowed(s)
	case *Policy:
		*p = Policy(s)
		return k.allowed(s)
	case *QueueMode:
		*p = QueueMode(s)
		return k.allowed(s)
	default:
		return k.setScalar(p, s)
	}
}

// setScalar parses the types that have a grammar of their own.
func (k *key) setScalar(field any, s string) error {
	var err error
	switch p := field.(type) {
	case *bool:
		*p, err = parseBool(s)
	case *int:
		var n int64
		n, err = k.parseInt(s)
		*p = int(n)
	case *int64:
		*p, err = k.parseInt(s)
	case *float64:
		*p, err = k.parseFloat(s)
	case *time.Duration:
		*p, err = k.parseDuration(s)
	case *Size:
		*p, err = k.parseSize(s)
	case *Addr:
		*p, err = parseAddr(s)
	case *Level:
		*p, err = parseLevel(s)
	default:
		err = fmt.Errorf("no parser for %T", p)
	}
	return err
}

func (k *key) setList(c *Config, items []string) error {
	switch p := k.at(c).(type) {
	case *[]string:
		out := make([]string, 0, len(items))
		for _, s := range items {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
		*p = out
		return nil
	case *[]int:
		out := make([]int, 0, len(items))
		for _, s := range items {
			n, err := k.parseInt(strings.TrimSpace(s))
			if err != nil {
				return err
			}
			out = append(out, int(n))
		}
		*p = out
		return nil
	}
	return errors.New("a list stands where one value is meant")
}

func (k *key) setMap(c *Config, m map[string]any) error {
	switch p := k.at(c).(type) {
	case *map[string]int:
		return fill(p, m, func(s string) (int, error) {
			n, err := k.parseInt(s)
			return int(n), err
		})
	case *map[string]time.Duration:
		return fill(p, m, k.parseDuration)
	case *map[string]Level:
		return fill(p, m, parseLevel)
	case *map[string]PluginSettings:
		return fillSettings(p, m)
	}
	return errors.New("a mapping stands where one value is meant")
}

// fill parses each value of a mapping, in the order of names so that the first error is always the same.
func fill[T any](dst *map[string]T, src map[string]any, parse func(string) (T, error)) error {
	out := make(map[string]T, len(src))
	for _, name := range slices.Sorted(maps.Keys(src)) {
		s, ok := src[name].(string)
		if !ok {
			return fmt.Errorf("%s: one value is meant", clip(name))
		}
		v, err := parse(strings.TrimSpace(s))
		if err != nil {
			return fmt.Errorf("%s: %w", clip(name), err)
		}
		out[name] = v
	}
	*dst = out
	return nil
}

// splitList splits "a, b" or "[a, b]".
func splitList(s string) []string {
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s = s[1 : len(s)-1]
	}
	return strings.Split(s, ",")
}

// splitMap splits "a=1,b=2" or "{a: 1, b: 2}". A value in double quotes is a string as in JSON, and may hold commas.
func splitMap(s string) (map[string]any, error) {
	sep := "="
	if strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") {
		s, sep = s[1:len(s)-1], ":"
	}
	out := map[string]any{}
	for s != "" {
		var item string
		if item, s, _ = strings.Cut(s, ","); strings.TrimSpace(item) == "" {
			continue
		}
		name, value, ok := strings.Cut(item, sep)
		name = strings.TrimSpace(name)
		if !ok || name == "" {
			return nil, fmt.Errorf("%q is not of the form name%svalue", clip(item), sep)
		}
		if value = strings.TrimLeft(value, " \t"); strings.HasPrefix(value, `"`) {
			var err error
			if s != "" {
				value += "," + s
			}
			if value, s, err = quoted(value); err != nil {
				return nil, fmt.Errorf("%s: %w", clip(name), err)
			}
		}
		out[name] = strings.TrimSpace(value)
	}
	return out, nil
}

// quoted reads the string at the beginning of s, and gives what comes after the comma behind it.
func quoted(s string) (value, rest string, err error) {
	end := 1
	for ; end < len(s) && s[end] != '"'; end++ {
		if s[end] == '\\' {
			end++
		}
	}
	if end >= len(s) {
		return "", "", fmt.Errorf("%s has no quotation mark at its end", clip(s))
	}
	if err := json.Unmarshal([]byte(s[:end+1]), &value); err != nil {
		return "", "", fmt.Errorf("%s is no string as in JSON", clip(s[:end+1]))
	}
	rest = strings.TrimLeft(s[end+1:], " \t")
	if after, ok := strings.CutPrefix(rest, ","); ok || rest == "" {
		return value, after, nil
	}
	return "", "", fmt.Errorf("a comma is meant after %s", clip(s[:end+1]))
}

// quote writes a value of a mapping so that splitMap reads the same.
func quote(s string) string {
	if s != "" && s == strings.TrimSpace(s) && !strings.ContainsAny(s, `,"`) {
		return s
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a string can always be written
	return strings.TrimSuffix(b.String(), "\n")
}

func (k *key) allowed(s string) error {
	if len(k.oneOf) == 0 || slices.Contains(k.oneOf, s) {
		return nil
	}
	msg := fmt.Sprintf("%q is not one of %s", clip(s), strings.Join(k.oneOf, ", "))
	if n := nearest(s, k.oneOf); n != "" {
		msg += fmt.Sprintf("; did you mean %q?", n)
	}
	return errors.New(msg)
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", clip(s))
}

// inRange checks a number against the key's limits; show writes a limit as the key's values are written.
func (k *key) inRange(v float64, show func(float64) string) error {
	if v < k.lo {
		return fmt.Errorf("must be at least %s", show(k.lo))
	}
	if k.hi > 0 && v > k.hi {
		return fmt.Errorf("must be at most %s", show(k.hi))
	}
	return nil
}

func showNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func (k *key) parseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", clip(s))
	}
	return n, k.inRange(float64(n), showNumber)
}

func (k *key) parseFloat(s string) (float64, error) {
	f, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(s, "%")), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("%q is no number", clip(s))
	}
	return f, k.inRange(f, showNumber)
}

// parseDuration takes "1h30m", "250ms", "2 d" or a number of seconds.
func (k *key) parseDuration(s string) (time.Duration, error) {
	d, ok := duration(strings.ReplaceAll(s, " ", ""))
	if !ok {
		return 0, fmt.Errorf("%q is no duration; write it like 10s, 5m, 1h30m, or as a number of seconds", clip(s))
	}
	return d, k.inRange(d.Seconds(), func(v float64) string {
		return showDuration(time.Duration(v * float64(time.Second)))
	})
}

func duration(s string) (time.Duration, bool) {
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return scaled(f, time.Second)
	}
	if n, ok := strings.CutSuffix(s, "d"); ok {
		f, err := strconv.ParseFloat(n, 64)
		if err != nil {
			return 0, false
		}
		return scaled(f, 24*time.Hour)
	}
	d, err := time.ParseDuration(s)
	return d, err == nil
}

func scaled(f float64, unit time.Duration) (time.Duration, bool) {
	f *= float64(unit)
	if math.IsNaN(f) || math.Abs(f) >= math.MaxInt64 {
		return 0, false
	}
	return time.Duration(math.Round(f)), true
}

// showDuration writes a duration without the zero units that time.Duration writes.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseSize takes "256 MiB", "1g", "1.5GB", a number of bytes, or "none" for no limit. Units are powers of 1,024
// whether written KiB, KB or k: a limit that is a little larger than meant surprises less than one that is smaller.
func (k *key) parseSize(s string) (Size, error) {
	n, ok := size(s)
	if !ok {
		return 0, fmt.Errorf("%q is no size; write it like 256 MiB, 1g, or as a number of bytes", clip(s))
	}
	return n, k.inRange(float64(n), func(v float64) string { return Size(v).String() })
}

func size(s string) (Size, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if s == "none" || s == "unlimited" {
		return 0, true
	}
	end := strings.IndexFunc(s, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	unit := ""
	if end >= 0 {
		s, unit = s[:end], strings.TrimSpace(s[end:])
	}
	var mult int64
	switch unit {
	case "", "b":
		mult = 1
	case "k", "kb", "kib":
		mult = kib
	case "m", "mb", "mib":
		mult = mib
	case "g", "gb", "gib":
		mult = gib
	case "t", "tb", "tib":
		mult = tib
	default:
		return 0, false
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return Size(n * mult), n <= math.MaxInt64/mult
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f*float64(mult) >= math.MaxInt64 {
		return 0, false
	}
	return Size(f * float64(mult)), true
}

// parseAddr takes host:port, :port, a bare port on loopback is not guessed, or off.
func parseAddr(s string) (Addr, error) {
	switch strings.ToLower(s) {
	case "off", "none", "false", "no":
		return Off, nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return "", fmt.Errorf("%q is no address; write it like 127.0.0.1:8000", clip(s))
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || strconv.FormatUint(n, 10) != port {
		return "", fmt.Errorf("%q has no port between 0 and 65535", clip(s))
	}
	if host != "" && net.ParseIP(stripZone(host)) == nil && !hostName(host) {
		return "", fmt.Errorf("%q is neither an IP address nor a host name", clip(host))
	}
	return Addr(s), nil
}

func stripZone(host string) string {
	h, _, _ := strings.Cut(host, "%")
	return h
}

func hostName(s string) bool {
	return len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.' && r != '_'
	})
}

// show writes the field of a key as it would stand in the file.
func (k *key) show(c *Config) string {
	switch p := k.at(c).(type) {
	case *time.Duration:
		return showDuration(*p)
	case *Size:
		if *p == 0 && k.def == "none" {
			return "none"
		}
		return p.String()
	case *float64:
		return showNumber(*p)
	case *[]string:
		return "[" + strings.Join(*p, ", ") + "]"
	case *[]int:
		items := make([]string, len(*p))
		for i, n := range *p {
			items[i] = strconv.Itoa(n)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case *map[string]int:
		return showMap(*p, strconv.Itoa)
	case *map[string]time.Duration:
		return showMap(*p, showDuration)
	case *map[string]Level:
		return showMap(*p, Level.String)
	case *map[string]PluginSettings:
		return showSettings(*p)
	case *Level:
		return p.String()
	case *string:
		return *p
	case *Policy:
		return string(*p)
	case *QueueMode:
		return string(*p)
	case *Addr:
		return string(*p)
	case *bool:
		return strconv.FormatBool(*p)
	case *int:
		return strconv.Itoa(*p)
	case *int64:
		return strconv.FormatInt(*p, 10)
	}
	return ""
}

func showMap[T any](m map[string]T, show func(T) string) string {
	items := make([]string, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		items = append(items, name+": "+show(m[name]))
	}
	return "{" + strings.Join(items, ", ") + "}"
}
