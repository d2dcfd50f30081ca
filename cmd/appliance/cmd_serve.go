package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/app"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/plugins"
)

func (r *root) serveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the appliance",
		Long: `Runs the appliance until SIGTERM or SIGINT. It needs no configuration: by default it listens on
127.0.0.1:8000 for this machine only and keeps everything in one data folder. Standard error says
"ready http://HOST:PORT" once it answers. A second signal ends it at once.`,
		Example: `  wayside serve
  wayside serve --listen 127.0.0.1:0 --data-dir ./data --kv-listen off
  wayside serve --config /etc/wayside/wayside.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := r.load(cmd.Flags())
			if err != nil {
				return err
			}
			build, err := readBuild(plugins.Dist)
			if err != nil {
				return err
			}
			r.announce(cfg, build)
			return app.Run(cmd.Context(), cfg, app.Env{Stdout: r.std.out, Stderr: r.std.err, Version: build.Version, Revision: build.Commit})
		},
	}
	config.AddFlags(cmd.Flags())
	return cmd
}

// announce tells a person at a terminal what starts where. It goes to standard error: standard output is the log's.
func (r *root) announce(cfg config.Config, build buildInfo) {
	decoders := noDecoders
	if n := len(build.Decoders); n > 0 {
		decoders = fmt.Sprintf("%d built in", n)
	}
	fmt.Fprintf(r.std.err, "wayside %s\n  address      http://%s\n  data folder  %s\n  decoders     %s\n",
		build.Version, cfg.Server.Listen, cfg.Data.Dir, decoders)
	r.warn(cfg.Warnings())
}
