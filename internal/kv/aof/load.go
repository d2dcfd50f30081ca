package aof

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/wayside-edge/wayside/internal/kv/resp"
)

// LoadReport is what a start found.
type LoadReport struct {
	Commands int64
	Bytes    int64
	Cut      int64    // bytes of tails that were no whole group
	Damaged  []string // files in which what lay behind a damaged frame was kept aside
	Refused  int64    // commands that the engine answered with an error
	First    string   // the first of those errors
}

// load repeats what the folder holds.
func (l *Log) load(f found) error {
	into := l.engine.Load()
	defer into.End()
	if f.base > 0 {
		if err := l.loadFile(name(f.base, baseSuffix), into.Apply); err != nil {
			return err
		}
	}
	for _, seq := range f.logs {
		if err := l.loadFile(name(seq, logSuffix), into.Apply); err != nil {
			return err
		}
	}
	return nil
}

// loadFile repeats the good part of a file.
func (l *Log) loadFile(base string, apply func(args [][]byte) error) error {
	path := filepath.Join(l.cfg.Dir, base)
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open a log: %w", err)
	}
	defer f.Close()
	s, err := scan(f)
	if err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	if err := l.keepTail(f, base, s); err != nil {
		return err
	}
	if s.good <= int64(len(magic)) {
		return nil
	}
	if _, err := f.Seek(int64(len(magic)), io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	r := resp.NewReader(&payloads{r: f, left: s.good - int64(len(magic))}, logLimits)
	for {
		args, err := r.Next()
		switch {
		case err == nil:
			l.report.Commands++
			if err := apply(args); err != nil {
				if l.report.Refused++; l.report.First == "" {
					l.report.First = err.Error()
				}
			}
		case errors.Is(err, resp.ErrIncomplete):
			if err := r.Fill(); errors.Is(err, io.EOF) {
				l.report.Bytes += s.good
				return nil
			} else if err != nil {
				return fmt.Errorf("%s: %w", base, err)
			}
		default:
			return fmt.Errorf("%s: %w", base, err)
		}
	}
}

// logLimits are wider than a client's: an effect may have more arguments than the command that it came from.
var logLimits = resp.Limits{Args: 1 << 24, Bulk: 1 << 30, Inline: 64 << 10}

// keepTail reports what is not repeated. A log that ends within a frame was being written when the power failed; behind
// a frame that is whole and wrong there may be more, which is kept.
func (l *Log) keepTail(f *os.File, base string, s scanned) error {
	if s.size == s.good {
		return nil
	}
	if !s.damaged {
		l.report.Cut += s.size - s.good
		l.log.Warn("kv_log_cut", "file", base, "bytes", s.size-s.good)
		return nil
	}
	aside := base + badSuffix
	if _, err := f.Seek(s.good, io.SeekStart); err != nil {
		return fmt.Errorf("%s: %w", base, err)
	}
	out, err := l.fs.OpenFile(filepath.Join(l.cfg.Dir, aside), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("keep a damaged log: %w", err)
	}
	_, err = io.Copy(out, f)
	if err == nil {
		err = out.Sync()
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("keep a damaged log: %w", err)
	}
	l.report.Damaged = append(l.report.Damaged, aside)
	l.log.Error("kv_log_damaged", "file", base, "bytes", s.size-s.good, "kept_as", aside)
	return nil
}
