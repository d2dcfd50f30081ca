package aof

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const (
	baseSuffix = ".base"
	logSuffix  = ".log"
	tempSuffix = ".tmp"
	badSuffix  = ".damaged"
)

func name(seq int, suffix string) string { return fmt.Sprintf("%06d%s", seq, suffix) }

// found is what lies in the folder.
type found struct {
	base int   // the highest, 0 = none
	logs []int // from it on, ascending
	old  []string
	next int
}

// look lists the folder. What a crash left behind and nobody needs is in old.
func look(dir string) (found, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return found{}, fmt.Errorf("list the log's folder: %w", err)
	}
	var f found
	var bases, logs []int
	for _, e := range entries {
		switch seq, suffix := parseName(e.Name()); suffix {
		case baseSuffix:
			bases = append(bases, seq)
		case logSuffix:
			logs = append(logs, seq)
		case tempSuffix:
			f.old = append(f.old, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(logs)
	for _, b := range bases {
		f.base = max(f.base, b)
	}
	for _, b := range bases {
		if b < f.base {
			f.old = append(f.old, filepath.Join(dir, name(b, baseSuffix)))
		}
	}
	f.next = f.base + 1
	for _, l := range logs {
		if l < f.base {
			f.old = append(f.old, filepath.Join(dir, name(l, logSuffix)))
			continue
		}
		f.logs = append(f.logs, l)
		f.next = max(f.next, l+1)
	}
	return f, nil
}

// parseName takes a file's name apart; suffix is "" of a foreign one.
func parseName(s string) (seq int, suffix string) {
	if strings.HasSuffix(s, tempSuffix) {
		return 0, tempSuffix
	}
	for _, suffix := range []string{baseSuffix, logSuffix} {
		if digits, ok := strings.CutSuffix(s, suffix); ok {
			if n, err := strconv.Atoi(digits); err == nil && n > 0 && name(n, suffix) == s {
				return n, suffix
			}
		}
	}
	return 0, ""
}
