package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// look is what looking into the files found inside one may still cost. A container of two hundred archives that each
// unpack to the most they may would keep a worker busy for hours before any of them is decoded.
type look struct {
	time  time.Duration
	bytes int64 // that are unpacked
}

func (in *Ingester) newLook() look { return look{in.LookTime, in.LookBytes} }

// errLooked is the cause where looking into files took as long as it may.
var errLooked = errors.New("looking into files found inside one took as long as it may")

// into looks into one of them. Where it may not cost any more, that is why the file is not decoded.
func (l *look) into(ctx context.Context, w Wrapping, r Parcel) (Inside, error) {
	if r.Most = l.bytes; r.Most <= 0 {
		r.Most = -1
	}
	limited, cancel := context.WithTimeoutCause(ctx, l.time, errLooked)
	defer cancel()
	began := time.Now()
	inside, err := w.Inspect(limited, r)
	l.time = max(0, l.time-time.Since(began))
	l.bytes -= inside.Cost
	late := errors.Is(context.Cause(limited), errLooked)
	unknown := err == nil && inside.Wrapped != "" && !inside.Known && inside.Failure == nil
	if late && (errors.Is(err, errLooked) || unknown) {
		inside.Failure = &catalog.Failure{
			Code: errcode.Deadline, Message: "looking into the files found beside it took as long as it may: decode it by itself",
		}
		return inside, nil
	}
	return inside, err //nolint:wrapcheck // the caller says what was tried
}
