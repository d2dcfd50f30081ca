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
	if hasBuild && !identifiers(build) {
		return v, false
	}
	s, pre, hasPre := strings.Cut(s, "-")
	if hasPre {
		if !identifiers(pre) {
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

func identifiers(s string) bool {
	for part := range strings.SplitSeq(s, ".") {
		if part == "" {
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

func compareIdentifier(a, b string) int {
	m, errA := strconv.ParseUint(a, 10, 64)
	n, errB := strconv.ParseUint(b, 10, 64)
	switch {
	case errA == nil && errB == nil:
		return cmp.Compare(m, n)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(a, b)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
