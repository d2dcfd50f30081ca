package app

import (
	"context"
	"fmt"
	"io"

	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/decode"
	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// wrapping shows what decode knows of recordings that come wrapped to ingest and to the HTTP API.
type wrapping struct {
	decoder  *decode.Decoder
	registry *runtime.Registry
}

func (w wrapping) Inspect(ctx context.Context, p ingest.Parcel) (ingest.Inside, error) {
	found, err := w.decoder.Inspect(ctx, decode.InspectRequest{
		Input: p.Input, Size: p.Size, Head: p.Head, Name: p.Name, Decoder: p.Decoder, Together: p.Together, Most: p.Most,
	})
	if err != nil {
		return ingest.Inside{}, fmt.Errorf("unwrap: %w", err)
	}
	in := ingest.Inside{Wrapped: found.Wrapped, Parts: found.Parts, Failure: found.Failure, Cost: found.Cost}
	if found.Known {
		pl, ok := w.registry.Get(found.Found.Decoder)
		in.Match, in.Known = ingest.Match{Format: found.Found.Format, Plugin: decode.CatalogPlugin(pl)}, ok
	}
	return in, nil
}

func (w wrapping) Unwrapped(ctx context.Context, f catalog.File) (httpapi.Content, error) {
	c, err := w.decoder.Unwrapped(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("unwrap: %w", err)
	}
	return c, nil
}

func (w wrapping) DetectWrapped(ctx context.Context, body io.Reader, name string, limit int64) (runtime.Detection, error) {
	found, err := w.decoder.Detect(ctx, body, name, limit)
	if err != nil {
		return found, fmt.Errorf("unwrap: %w", err)
	}
	return found, nil
}
