package app

import (
	"context"
	"fmt"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/decode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// children shows ingest to the decoder, which is opened before it but runs no decode until everything is open.
type children struct{ *appliance }

func (c children) Refused(ctx context.Context, f catalog.File) (string, error) {
	room, err := c.ingester.Room(ctx, f)
	if err != nil {
		return "", fmt.Errorf("files inside %s: %w", f.ID, err)
	}
	switch room {
	case ingest.TooDeep:
		return runtime.ChildDepth, nil
	case ingest.TooMany:
		return runtime.ChildLimit, nil
	default:
		return "", nil
	}
}

func (c children) Take(ctx context.Context, f catalog.File, d catalog.Decode, found []decode.Found) (decode.Family, error) {
	in := make([]ingest.Child, len(found))
	for i, one := range found {
		in[i] = ingest.Child(one)
	}
	taken, err := c.ingester.Take(ctx, f, d, in)
	if err != nil {
		return nil, fmt.Errorf("files inside %s: %w", f.ID, err)
	}
	return taken, nil
}

func (c children) TakeSame(ctx context.Context, f catalog.File, d, twin catalog.Decode) (decode.Family, bool, error) {
	taken, err := c.ingester.TakeSame(ctx, f, d, twin)
	if err != nil {
		return nil, false, fmt.Errorf("files inside %s: %w", f.ID, err)
	}
	if taken == nil {
		return nil, false, nil
	}
	return taken, true, nil
}
