package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
)

// systemCmd shows what an appliance is and uses.
func (r *root) systemCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: "system", Short: "Show version, disk, memory and limits of a running appliance", Args: cobra.NoArgs,
		Example: "  wayside system\n  wayside system --json | jq .disk.free_bytes",
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		s, err := c.System(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("show system: %w", err)
		case f.json:
			return r.printRaw(s.Raw)
		}
		return r.print(systemText(&s))
	})
}

func systemText(s *client.System) string {
	var b strings.Builder
	line := func(name, format string, args ...any) { describe(&b, name, format, args...) }
	line("version", "%s, %s, %s/%s", s.Version, s.Build.GoVersion, s.Build.OS, s.Build.Arch)
	line("started", "%s, %s ago", when(s.StartedAt), uptime(s.UptimeSeconds))
	line("disk", "%s", diskText(s))
	line("recordings", "%s", progress.Size(s.Data.BlobsBytes))
	line("tables", "%s", progress.Size(s.Data.ResultsBytes))
	line("records", "%s", progress.Size(s.Data.StoreBytes))
	line("memory", "%s", memoryText(s))
	limit := "no limit but the disk"
	if s.Limits.MaxUploadBytes > 0 {
		limit = progress.Size(s.Limits.MaxUploadBytes)
	}
	line("largest upload", "%s", limit)
	line("decode workers", "%d", s.Limits.DecodeWorkers)
	for _, k := range s.Kernel {
		state := "not in use"
		if k.Active {
			state = "in use"
		}
		line("kernel", "%s", strings.TrimSuffix(fmt.Sprintf("%s %s: %s", k.Name, state, k.Detail), ": "))
	}
	return b.String()
}

func diskText(s *client.System) string {
	out := fmt.Sprintf("%s free of %s, %s kept free", progress.Size(s.Disk.FreeBytes), progress.Size(s.Disk.TotalBytes), progress.Size(s.Disk.ReserveBytes))
	if s.Disk.Full {
		out += "; FULL: nothing new is stored"
	}
	return out
}

func memoryText(s *client.System) string {
	return fmt.Sprintf("%s server, %s workers, of %s", progress.Size(s.Memory.ServerBytes), progress.Size(s.Memory.WorkersBytes), progress.Size(s.Memory.HostBytes))
}

func uptime(seconds float64) string {
	d := time.Duration(seconds) * time.Second
	if days := int(d.Hours() / 24); days > 0 {
		return fmt.Sprintf("%d days %d h", days, int(d.Hours())%24)
	}
	return d.String()
}
