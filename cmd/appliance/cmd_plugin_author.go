package main

import (
	"crypto/ed25519"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/internal/app"
	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/plugindev"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// pluginAuthorCmds are the commands of a decoder's author. They need no appliance.
func (r *root) pluginAuthorCmds() []*cobra.Command {
	return []*cobra.Command{
		r.pluginNewCmd(), r.pluginPackCmd(), r.pluginTestCmd(), r.pluginBenchCmd(), r.pluginDevCmd(), r.pluginInspectCmd(),
		r.pluginKeygenCmd(), r.pluginSignCmd(), r.pluginVerifyCmd(),
	}
}

func (r *root) pluginNewCmd() *cobra.Command {
	cfg := plugindev.NewConfig{}
	cmd := &cobra.Command{
		Use:   "new NAME",
		Short: "Write the project of a new decoder",
		Long: `Writes a folder NAME with a decoder that works, its tests, a Makefile and the SDK: it builds
without a network. No file is replaced.`,
		Example: `  wayside plugin new my-logger
  cd my-logger && make && wayside plugin test`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg.ID = args[0]
			dir, files, err := plugindev.New(cfg)
			if err != nil {
				return fmt.Errorf("new: %w", err)
			}
			return r.print(fmt.Sprintf("%s: %d files\nnext: cd %s && make && wayside plugin test\n", dir, len(files), dir))
		},
	}
	cmd.Flags().StringVar(&cfg.Language, "lang", "go", "language: "+strings.Join(plugindev.Languages(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("lang", cobra.FixedCompletions(plugindev.Languages(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (r *root) pluginPackCmd() *cobra.Command {
	cfg, asJSON := plugindev.PackConfig{}, false
	cmd := &cobra.Command{
		Use:   "pack IN.wasm",
		Short: "Make a plugin of a compiled module: manifest and golden tests go into it",
		Long: `Checks a module as an appliance does, and its manifest more closely (units are to be UCUM codes),
and stores the manifest and the small tests of --testdata in it. An appliance decodes those
before it takes the plugin. The same module and tests give the same bytes. A signature is dropped.`,
		Example: `  wayside plugin pack build/my-logger.wasm --testdata testdata -o my-logger.wasm`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.In = args[0]
			p, err := plugindev.Pack(cmd.Context(), cfg)
			if err != nil {
				return fmt.Errorf("pack: %w", err)
			}
			if asJSON {
				return r.printJSON(p)
			}
			for _, n := range p.Notes {
				fmt.Fprintln(r.std.err, "note:", n)
			}
			if p.Unsigned {
				fmt.Fprintln(r.std.err, "note: the signature was dropped: sign it again")
			}
			return r.print(fmt.Sprintf("%s: %s %s, %d bytes, %d golden tests\n", p.File, p.ID, p.Version, p.Bytes, len(p.Vectors)))
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&cfg.Out, "output", "o", "", "file to write (default: IN.wasm itself)")
	fl.StringVar(&cfg.TestData, "testdata", "", "folder of tests (default: keep those in the module)")
	fl.BoolVar(&cfg.Strip, "strip", false, "drop names of functions and debug data")
	fl.BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

func (r *root) pluginTestCmd() *cobra.Command {
	cfg, asJSON := plugindev.TestConfig{}, false
	cmd := &cobra.Command{
		Use:   "test [DIR|FILE.wasm]",
		Short: "Test a decoder: golden files, both engines, short reads, damaged inputs",
		Long: `Decodes every input in testdata/ and compares what comes of it with INPUT.golden.ndjson: compiled,
interpreted, and with reads of 1 byte and of random sizes. Then it cuts the inputs off at every
byte and damages them: whatever they hold, the decode has to end in good order. An input that
breaks the decoder is kept in testdata/crashers/ and tried again the next time. Parameters are
in INPUT.params.json; a folder is an input of several files.

Exit code 0: everything is as it should be. 1: something is not. 2: wrong usage.`,
		Example: `  wayside plugin test
  wayside plugin test --update            take over what it decodes to
  wayside plugin test --fuzz 1m my.wasm`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg.Path = "."
			if len(args) > 0 {
				cfg.Path = args[0]
			}
			if !cmd.Flags().Changed("seed") {
				cfg.Seed = rand.Uint64N(1 << 32) //nolint:gosec // no secret
			}
			cfg.Log = r.std.err
			rep, err := plugindev.Test(cmd.Context(), cfg)
			if err != nil {
				return fmt.Errorf("test: %w", err)
			}
			if asJSON {
				err = r.printJSON(rep)
			} else {
				err = r.print(rep.Text())
			}
			if err == nil && !rep.OK {
				return errReported
			}
			return err
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&cfg.TestData, "testdata", "", "folder of tests (default: testdata beside the module)")
	fl.BoolVar(&cfg.Update, "update", false, "write the golden files")
	fl.DurationVar(&cfg.Fuzz, "fuzz", 2*time.Second, "how long to try damaged inputs, 0 for none")
	fl.Uint64Var(&cfg.Seed, "seed", 0, "of all that is random (default: another one each time)")
	fl.BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

func (r *root) pluginBenchCmd() *cobra.Command {
	var given []string
	asJSON := false
	cmd := &cobra.Command{
		Use:   "bench FILE.wasm INPUT…",
		Short: "Measure a decoder beside one that only reads",
		Args:  cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := parseParams(given)
			if err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			figures, err := plugindev.Bench(cmd.Context(), plugindev.BenchConfig{Path: args[0], Inputs: args[1:], Params: params})
			if err != nil {
				return fmt.Errorf("bench: %w", err)
			}
			if asJSON {
				return r.printJSON(figures)
			}
			var text strings.Builder
			for i := range figures {
				text.WriteString(figures[i].Text())
			}
			return r.print(text.String())
		},
	}
	cmd.Flags().StringArrayVar(&given, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

func (r *root) pluginDevCmd() *cobra.Command {
	var given []string
	cfg := plugindev.DevConfig{}
	cmd := &cobra.Command{
		Use:   "dev [DIR] INPUT",
		Short: "Build a decoder with every change and show what it makes of an input",
		Long:  `Watches the project's files, runs make when one changes, and shows the tables. Ctrl-C ends it.`,
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := parseParams(given)
			if err != nil {
				return &usageError{command: cmd.CommandPath(), err: err}
			}
			cfg.Dir, cfg.Input = ".", args[len(args)-1]
			if len(args) == 2 {
				cfg.Dir = args[0]
			}
			if cfg.Self, err = os.Executable(); err != nil {
				return fmt.Errorf("dev: find this program: %w", err)
			}
			cfg.Params, cfg.Out, cfg.Err = params, r.std.out, r.std.err
			if err := plugindev.Dev(cmd.Context(), cfg); err != nil {
				return fmt.Errorf("dev: %w", err)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&cfg.Rows, "rows", 5, "rows of each table")
	cmd.Flags().BoolVar(&cfg.Once, "once", false, "build and show once")
	cmd.Flags().StringArrayVar(&given, "param", nil, "parameter of the decoder as `name=value` (may be given again)")
	return cmd
}

func (r *root) pluginInspectCmd() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "inspect FILE.wasm",
		Short: "Tell what a module is, without running it",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			in, err := plugindev.Inspect(args[0])
			if err != nil {
				return err //nolint:wrapcheck // says what it is
			}
			if asJSON {
				return r.printJSON(in)
			}
			return r.print(in.Text())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	return cmd
}

func (r *root) pluginKeygenCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "keygen NAME",
		Short: "Make a pair of keys for signing, NAME.pem and NAME.pub.pem",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			k, err := plugindev.Keygen(args[0])
			if err != nil {
				return fmt.Errorf("keygen: %w", err)
			}
			return r.print(fmt.Sprintf("%s: private, keep it to yourself\n%s: public, for appliances that are to trust it\nkey %s\n", k.Private, k.Public, k.KeyID))
		},
	}
}

func (r *root) pluginSignCmd() *cobra.Command {
	key := ""
	cmd := &cobra.Command{
		Use:     "sign --key KEY.pem FILE.wasm",
		Short:   "Sign a plugin with an ed25519 key",
		Example: `  wayside plugin sign --key me.pem my-logger.wasm`,
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			id, err := plugindev.Sign(args[0], key)
			if err != nil {
				return fmt.Errorf("sign: %w", err)
			}
			return r.print(fmt.Sprintf("%s: signed with key %s\n", filepath.Base(args[0]), id))
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "private key, PEM")
	_ = cmd.MarkFlagRequired("key")
	return cmd
}

func (r *root) pluginVerifyCmd() *cobra.Command {
	var keys []string
	asJSON := false
	cmd := &cobra.Command{
		Use:   "verify FILE.wasm",
		Short: "Check the signature of a plugin",
		Long: `Checks it against plugins.keys of the appliance's configuration and the keys given by --key.

Exit code 0: one of the keys has signed exactly these bytes. 1: none has. 2: wrong usage, or no
key to check against.`,
		Example: `  wayside plugin verify my-logger.wasm
  wayside plugin verify --key me.pub.pem my-logger.wasm`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			configured, err := r.configuredKeys(cmd, len(keys) > 0)
			if err != nil {
				return err
			}
			v, err := plugindev.Verify(args[0], keys, configured)
			if err != nil {
				return fmt.Errorf("verify: %w", err)
			}
			switch {
			case asJSON:
				err = r.printJSON(v)
			case v.Valid:
				err = r.print(fmt.Sprintf("%s: valid, key %s\n", v.File, v.KeyID))
			default:
				err = r.print(fmt.Sprintf("%s: not valid: %s\n", v.File, v.Reason))
			}
			if err == nil && !v.Valid {
				return errReported
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&keys, "key", nil, "public key that is trusted, a PEM file or base64 (may be given again)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it for programs")
	config.AddFlags(cmd.Flags())
	for _, name := range []string{"listen", "kv-listen", "log-level", "log-format"} {
		_ = cmd.Flags().MarkHidden(name)
	}
	return cmd
}

// configuredKeys are the keys of the configuration, read as an appliance reads them. An author may have no right to read
// the machine's configuration, which is no reason to refuse a check against a key that is given: it is said, and the
// check goes on.
func (r *root) configuredKeys(cmd *cobra.Command, given bool) ([]ed25519.PublicKey, error) {
	cfg, err := r.load(cmd.Flags())
	if err == nil {
		var rules runtime.Rules
		if rules, err = app.PluginRules(cfg); err == nil {
			return rules.Keys, nil
		}
	}
	if !given || cmd.Flags().Changed("config") {
		return nil, fmt.Errorf("verify: %w", err)
	}
	fmt.Fprintln(r.std.err, "note: checked without the keys of plugins.keys:", err)
	return nil, nil
}
