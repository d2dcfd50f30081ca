package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"

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
			return advise(app.Run(cmd.Context(), cfg, app.Env{
				Stdout: r.std.out, Stderr: r.std.err, Version: build.Version, Revision: build.Commit,
				Reload: func() (config.Config, error) { return r.load(cmd.Flags()) },
			}))
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
	scheme := "http"
	if cfg.Server.TLSCert != "" {
		scheme = "https"
	}
	address := scheme + "://" + string(cfg.Server.Listen)
	if strings.HasSuffix(address, ":0") {
		address = "a free port, told when it is ready"
	}
	fmt.Fprintf(r.std.err, "wayside %s\n  address      %s\n  data folder  %s\n  decoders     %s\n",
		build.Version, address, cfg.Data.Dir, decoders)
	if cfg.Auth.Required {
		fmt.Fprintf(r.std.err, "  token file   %s\n", filepath.Join(cfg.Data.Dir, "secrets", adminToken))
	}
	r.warn(cfg.Warnings())
}

// advise adds to an error of the start what to do about it, where that is known.
func advise(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; stop the program that has it (ss -ltnp shows it), or choose another address with --listen", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; run it as the user the data folder belongs to, or name another one with --data-dir", err)
	}
	return err
}
