package module

import (
	"cmp"
	"strconv"
	"strings"
)

// version is a parsed semantic version; build metadata does not take part in the order.
type version struct {
	num [3]uint64
	pre []string
}

// ValidVersion reports whether s is a semantic version (major.minor.patch, optionally -pre and +build).
func ValidVersion(s string) bool {
	_, ok := parseVersion(s)
	return ok
}

func parseVersion(s string) (version, bool) {
	var v version
	if len(s) > 128 {
		return v, false
	}
	s, build, hasBuild := strings.Cut(s, "+")
	if hasBuild && !identifiers(build, true) {
		return v, false
	}
	s, pre, hasPre := strings.Cut(s, "-")
	if hasPre {
		if !identifiers(pre, false) {
			return v, false
		}
		v.pre = strings.Split(pre, ".")
	}
	parts := strings.Split(s, ".")
	if len(parts) != 3 {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil || (len(p) > 1 && p[0] == '0') || p[0] == '+' {
			return v, false
		}
		v.num[i] = n
	}
	return v, true
}

// identifiers reports whether s is a list of identifiers. A number among those of a pre-release has no leading zeros:
// two spellings of one version would be equal and not the same.
func identifiers(s string, zeros bool) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" || !zeros && len(part) > 1 && part[0] == '0' && numeric(part) {
			return false
		}
		for _, c := range part {
			if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' {
				return false
			}
		}
	}
	return true
}

// CompareVersions orders semantic versions; one that is none sorts first.
func CompareVersions(a, b string) int {
	x, okA := parseVersion(a)
	y, okB := parseVersion(b)
	if !okA || !okB {
		return cmp.Compare(boolInt(okA), boolInt(okB))
	}
	for i := range x.num {
		if c := cmp.Compare(x.num[i], y.num[i]); c != 0 {
			return c
		}
	}
	if len(x.pre) == 0 || len(y.pre) == 0 { // a release follows its pre-releases
		return cmp.Compare(boolInt(len(x.pre) == 0), boolInt(len(y.pre) == 0))
	}
	for i := range min(len(x.pre), len(y.pre)) {
		if c := compareIdentifier(x.pre[i], y.pre[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(x.pre), len(y.pre))
}

// compareIdentifier orders identifiers of pre-releases: numbers by value, whatever their length, ahead of words.
func compareIdentifier(a, b string) int {
	switch m, n := numeric(a), numeric(b); {
	case m && n && len(a) != len(b): // without leading zeros the longer one is the larger
		return cmp.Compare(len(a), len(b))
	case m != n:
		return cmp.Compare(boolInt(n), boolInt(m))
	}
	return strings.Compare(a, b)
}

func numeric(s string) bool { return strings.Trim(s, "0123456789") == "" }

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
