package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
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
				Listening: r.addressFor(cfg),
				Reload:    func() (config.Config, error) { return r.load(cmd.Flags()) },
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
	fmt.Fprintf(r.std.err, "wayside %s\n", build.Version)
	if r.addressFor(cfg) == nil {
		scheme := "http"
		if cfg.Server.TLSCert != "" {
			scheme = "https"
		}
		r.address(fmt.Sprintf("%s://%s", scheme, cfg.Server.Listen))
	}
	fmt.Fprintf(r.std.err, "  data folder  %s\n  decoders     %s\n", cfg.Data.Dir, decoders)
	if cfg.Auth.Required {
		fmt.Fprintf(r.std.err, "  token file   %s\n", filepath.Join(cfg.Data.Dir, "secrets", adminToken))
	}
	r.warn(cfg.Warnings())
}

// addressFor gives what announces the address where it is known only once there is a listener: with port 0.
func (r *root) addressFor(cfg config.Config) func(url string) {
	if _, port, err := net.SplitHostPort(string(cfg.Server.Listen)); err != nil || port != "0" {
		return nil
	}
	return r.address
}

func (r *root) address(url string) { fmt.Fprintf(r.std.err, "  address      %s\n", url) }

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
