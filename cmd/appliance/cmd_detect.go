package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// detectCmd finds out what recordings are.
func (r *root) detectCmd() *cobra.Command {
	var name string
	cmd := r.remoteCmd(&cobra.Command{
		Use: "detect FILE…", Short: "Ask a running appliance what recordings are", Args: cobra.MinimumNArgs(1),
		Long: `Sends files to a running appliance, which says what they are and keeps nothing; - is standard input. The
exit code is 1 when one of them is unknown. With --json a line is the appliance's answer for one file,
null where it knows none.`,
		Example: "  wayside detect run.RU\n  wayside detect - --name run.RU < run.RU",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if name != "" && len(args) > 1 {
			return &usageError{command: "wayside detect", err: errors.New("--name is for one file")}
		}
		s := &sheet{head: []string{"FILE", "FORMAT", "DECODER", ">CONFIDENCE", "OTHERS"}}
		unknown := false
		for _, path := range args {
			d, err := r.detect(ctx, c, path, name)
			e, answered := errors.AsType[*client.Error](err)
			missed := answered && e.Code == "unknown_format"
			if err != nil && !missed {
				return fmt.Errorf("detect %s: %w", printable(path), err)
			}
			unknown = unknown || missed
			if f.json {
				if err := r.printDetection(&d, missed); err != nil {
					return err
				}
				continue
			}
			s.add(detectionCells(path, &d, missed)...)
		}
		if !f.json {
			if err := r.printSheet(s); err != nil {
				return err
			}
		}
		if unknown {
			return errReported
		}
		return nil
	})
	cmd.Flags().StringVar(&name, "name", "", "name of the file, a hint, instead of its own")
	return cmd
}

func (r *root) detect(ctx context.Context, c *client.Client, path, name string) (d client.Detection, err error) {
	in, size := r.std.in, int64(-1)
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return d, err //nolint:wrapcheck // the caller does
		}
		defer func() { _ = f.Close() }()
		in = f
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		if name == "" {
			name = filepath.Base(path)
		}
	}
	return c.Detect(ctx, name, io.NopCloser(in), size)
}

func (r *root) printDetection(d *client.Detection, missed bool) error {
	line := []byte("null")
	if !missed {
		var err error
		if line, err = json.Marshal(d.Raw); err != nil {
			return fmt.Errorf("write json: %w", err)
		}
	}
	return r.print(string(line) + "\n")
}

func detectionCells(path string, d *client.Detection, missed bool) []cell {
	if missed {
		return []cell{text(path), {"unknown", bad}, {}, {}, {}}
	}
	var others []string
	for _, o := range d.Candidates {
		if o.Format != d.Format || o.Decoder != d.Decoder {
			others = append(others, fmt.Sprintf("%s %.2f", o.Format, o.Confidence))
		}
	}
	return []cell{text(path), text(d.Format), text(d.Decoder), {text: fmt.Sprintf("%.2f", d.Confidence)}, text(strings.Join(others, ", "))}
}
