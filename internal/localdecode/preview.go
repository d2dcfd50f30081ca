package localdecode

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"

	"github.com/wayside-edge/wayside/internal/table"
)

// errEnough ends the reading of a table after its first rows.
var errEnough = errors.New("enough rows")

// firstRows reads the first n rows of a Parquet file as text, the way CSV has it.
func firstRows(ctx context.Context, f *os.File, s *table.Schema, n int) ([][]string, error) {
	if f == nil {
		return nil, errors.New("the decode left no file")
	}
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("look at table: %w", err)
	}
	rd, err := table.OpenParquet(f, info.Size(), s)
	if err != nil {
		return nil, fmt.Errorf("open table: %w", err)
	}
	var text bytes.Buffer
	enc, err := table.NewEncoder(table.CSV, &text, rd.Schema(), table.EncodeOptions{})
	if err != nil {
		return nil, fmt.Errorf("show table: %w", err)
	}
	got := 0
	err = rd.Batches(ctx, nil, func(b *table.Batch) error {
		head := *b
		head.Rows = min(b.Rows, n-got)
		got += head.Rows
		if err := enc.Write(&head); err != nil {
			return fmt.Errorf("show table: %w", err)
		}
		if got == n {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, fmt.Errorf("read table: %w", err)
	}
	if err := enc.Close(); err != nil {
		return nil, fmt.Errorf("show table: %w", err)
	}
	rows, err := csv.NewReader(&text).ReadAll()
	if err != nil || len(rows) == 0 {
		return nil, fmt.Errorf("show table: %w", err)
	}
	return rows[1:], nil
}
