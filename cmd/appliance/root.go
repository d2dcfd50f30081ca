package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/wayside-edge/wayside/internal/config"
)

// root is the command line: what all commands share, and cobra's tree of them.
type root struct {
	env     []string
	std     stdio
	cmd     *cobra.Command
	running bool // the arguments were understood: later errors are not about them
}

func newRoot(env []string, std stdio) *root {
	r := &root{env: env, std: std}
	r.cmd = &cobra.Command{
		Use:   "wayside",
		Short: "An edge appliance that turns device recordings into tables",
		Long: `Wayside takes recordings from devices, finds out what each one is, decodes it in a sandboxed
plugin into typed tables, and keeps file and tables safe across power cuts. No internet, no
container runtime, no other process.`,
		Example: `  wayside serve                         the appliance, on 127.0.0.1:8000
  wayside decode run.RU                 what is in a recording, without a server
  wayside decode run.RU -o tables       its tables as Parquet files
  wayside doctor                        is this machine fit for it`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		PersistentPreRun:  func(*cobra.Command, []string) { r.running = true },
	}
	r.cmd.SetIn(std.in)
	r.cmd.SetOut(std.out)
	r.cmd.SetErr(std.err)
	r.cmd.AddCommand(r.serveCmd(), r.decodeCmd(), r.uploadCmd(), r.filesCmd(), r.decodesCmd(), r.batchesCmd(), r.detectCmd(), r.eventsCmd(), r.logsCmd(), r.systemCmd(), r.topCmd())
	r.cmd.AddCommand(r.pluginCmd(), r.jobsCmd(), r.queuesCmd(), r.schedulesCmd(),
		r.flowsCmd(), r.workersCmd(), r.cacheCmd(), r.alertsCmd(), r.tokensCmd(), r.configCmd(), r.doctorCmd(), r.versionCmd(), r.licensesCmd(), r.manCmd(), workerCmd())
	return r
}

// execute runs one command line.
func (r *root) execute(ctx context.Context, args []string) error {
	r.cmd.SetArgs(args)
	cmd, err := r.cmd.ExecuteContextC(ctx)
	if err == nil || r.running {
		return err
	}
	return &usageError{command: cmd.CommandPath(), err: plainUsage(err)}
}

// plainUsage puts cobra's message, which may suggest a command on lines of its own, on one line.
func plainUsage(err error) error {
	what, suggestions, found := strings.Cut(err.Error(), "\n\nDid you mean this?\n")
	if !found {
		return err
	}
	return fmt.Errorf("%s; did you mean %q?", what, strings.Join(strings.Fields(suggestions), ", "))
}

// group makes a command that only holds others: alone it prints its help, and a wrong name below it is an error.
func group(cmd *cobra.Command, below ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(below...)
	cmd.SuggestionsMinimumDistance = 2 // as cobra has it for the root
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		text := fmt.Sprintf("unknown command %q for %q", args[0], cmd.CommandPath())
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			text += fmt.Sprintf("; did you mean %q?", near[0])
		}
		return &usageError{command: cmd.CommandPath(), err: errors.New(text)}
	}
	return cmd
}

// load reads the configuration of a command whose flags came from config.AddFlags.
func (r *root) load(flags *pflag.FlagSet) (config.Config, error) {
	file, err := flags.GetString("config")
	if err != nil {
		return config.Config{}, fmt.Errorf("read --config: %w", err)
	}
	cfg, err := config.Load(config.Options{File: file, Env: r.env, Flags: flags, DotEnvDir: "."})
	if err != nil {
		return cfg, fmt.Errorf("configuration: %w", err)
	}
	return cfg, nil
}

// getenv gives a variable of the environment the command runs in.
func (r *root) getenv(name string) string {
	value := ""
	for _, kv := range r.env {
		if n, v, ok := strings.Cut(kv, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// workerCmd is here so that help and completion know that the name is taken; main has gone another way before.
func workerCmd() *cobra.Command {
	return &cobra.Command{
		Use: workerCommand, Hidden: true, Short: "A decode worker; started by the appliance only",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return &usageError{command: cmd.Root().CommandPath(), err: errors.New("worker processes are started by the appliance only")}
		},
	}
}
