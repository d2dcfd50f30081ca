package store

import (
	"fmt"
	"log/slog"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// maxValue is the largest value: beyond it Badger would use its value log, which nobody flushes.
const maxValue = 512<<10 - 1<<10

// profile is Badger for a small box: little memory, no value log, no compression, no conflict detection (there is one
// writer); frugal also without compaction. With it a million waiting jobs take 76 MB (DESIGN.md).
func profile(cfg Config, frugal bool) badger.Options {
	o := badger.DefaultOptions(cfg.Dir).
		WithSyncWrites(false).
		WithMemTableSize(cfg.MemTableSize).
		WithNumMemtables(1).
		WithBaseTableSize(1 << 20).
		WithCompression(options.None).
		WithBlockCacheSize(0).
		WithIndexCacheSize(4 << 20).
		WithValueLogFileSize(2 << 20).
		WithValueThreshold(min(512<<10, cfg.MemTableSize*15/100)).
		WithNumCompactors(2).
		WithDetectConflicts(false).
		WithNumVersionsToKeep(1).
		WithMetricsEnabled(false).
		WithLogger(badgerLog{cfg.Logger})
	if frugal {
		// Without compaction tables gather in the first level; writing must not wait for it to become shorter.
		o = o.WithNumCompactors(0).WithNumLevelZeroTablesStall(1 << 20)
	}
	return o
}

func openBadger(cfg Config, frugal bool) (bdb *badger.DB, err error) {
	defer catch(&err)
	bdb, err = badger.Open(profile(cfg, frugal))
	if err != nil {
		return nil, fmt.Errorf("open badger: %w", err)
	}
	return bdb, nil
}

func closeBadger(bdb *badger.DB) (err error) {
	defer catch(&err)
	if err := bdb.Close(); err != nil {
		return fmt.Errorf("close badger: %w", err)
	}
	return nil
}

// badgerLog passes Badger's messages on. What Badger calls information is of use to its developers only.
type badgerLog struct{ log *slog.Logger }

func (l badgerLog) Errorf(format string, args ...any) {
	l.log.Error("badger", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (l badgerLog) Warningf(format string, args ...any) {
	l.log.Warn("badger", "text", strings.TrimSpace(fmt.Sprintf(format, args...)))
}

func (badgerLog) Infof(string, ...any)  {}
func (badgerLog) Debugf(string, ...any) {}
