package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wayside-edge/wayside/sdk/client"
)

// compileWait is how long an installation waits for the module to be compiled.
const compileWait = 30 * time.Second

// pluginRemoteCmds are the commands that ask a running appliance about its plugins.
func (r *root) pluginRemoteCmds() []*cobra.Command {
	return []*cobra.Command{
		r.pluginListCmd(), r.pluginInstallCmd(), r.pluginRemoveCmd(),
		r.pluginSwitchCmd("enable", "Have the appliance use a plugin again", (*client.Client).EnablePlugin),
		r.pluginSwitchCmd("disable", "Have the appliance use a plugin no more, also after a restart", (*client.Client).DisablePlugin),
		r.pluginSwitchCmd("reload", "Have the appliance look at its plugin folders again", (*client.Client).ReloadPlugin),
	}
}

func (r *root) pluginListCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use:   "list",
		Short: "List the plugins of a running appliance",
		Long: `Lists the plugins of a running appliance: those that serve their id, and below each the modules of
the same id that do not: rejected, about to take over, or older.`,
		Example: `  wayside plugin list
  wayside plugin list --server http://10.0.0.5:8000 --token "$TOKEN" --json`,
		Args: cobra.NoArgs,
	}, func(ctx context.Context, c *client.Client, f remoteFlags, _ []string) error {
		list, err := c.Plugins(ctx)
		if err != nil {
			return fmt.Errorf("list plugins: %w", err)
		}
		if f.json {
			return r.printJSON(list)
		}
		if len(list) == 0 {
			return r.print("no plugins\n")
		}
		return r.print(pluginTable(list))
	})
}

func pluginTable(list []client.Plugin) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tVERSION\tSOURCE\tSTATE\tSIGNATURE\tDECODES\tFORMATS")
	for _, p := range list {
		formats := make([]string, 0, len(p.Formats))
		for _, f := range p.Formats {
			formats = append(formats, f.ID)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%d\t%s\n", oneLine(p.ID), p.Version, p.Source, p.State, p.Signature.State, p.Stats.Decodes, strings.Join(formats, ","))
		for _, o := range p.Others {
			fmt.Fprintf(w, "  %s\t%s\t%s\t%s\t%s\t\t\n", oneLine(o.File), o.Version, o.Source, o.State, o.Signature.State)
		}
	}
	_ = w.Flush() // into memory
	for _, p := range list {
		if p.State == "rejected" {
			fmt.Fprintf(&b, "%s: %s\n", oneLine(p.ID), oneLine(p.Reason))
		}
		for _, o := range p.Others {
			if o.State == "rejected" {
				fmt.Fprintf(&b, "%s: %s: %s\n", oneLine(p.ID), oneLine(o.File), oneLine(o.Reason))
			}
		}
	}
	return b.String()
}

func (r *root) pluginInstallCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use:   "install FILE",
		Short: "Install a plugin in a running appliance",
		Long: `Sends a module (*.wasm) to a running appliance, which keeps it in its data folder, and waits until it
is compiled. A module that is rejected stays there, so that it can be looked at; what served before
serves on. Exit code 1 when it is rejected.

Without a running appliance: copy the file into plugins/ of the data folder.`,
		Example: `  wayside plugin install hours.wasm`,
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		file, err := os.Open(args[0])
		if err != nil {
			return fmt.Errorf("install plugin: %w", err)
		}
		defer file.Close()
		info, err := file.Stat()
		if err != nil {
			return fmt.Errorf("install plugin: %w", err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("install plugin: %s is no file", args[0])
		}
		p, existing, err := c.InstallPlugin(ctx, file, info.Size(), compileWait)
		if err != nil {
			return fmt.Errorf("install %s: %w", args[0], err)
		}
		if f.json {
			err = r.printJSON(p)
		} else if p.State != "rejected" {
			err = r.print(installedText(p, existing))
		}
		if err == nil && p.State == "rejected" {
			err = fmt.Errorf("install %s: %s is rejected: %s", args[0], strings.TrimSpace(p.ID+" "+p.Version), oneLine(p.Reason))
		}
		return err
	})
}

func installedText(p client.Plugin, existing bool) string {
	text := "installed"
	if existing {
		text = "was there already"
	}
	text = fmt.Sprintf("%s %s %s: %s", p.ID, p.Version, text, p.State)
	if p.Reason != "" {
		text += ": " + oneLine(p.Reason)
	}
	return text + "\n"
}

func (r *root) pluginRemoveCmd() *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use:   "remove ID",
		Short: "Remove a plugin from a running appliance",
		Long: `Removes every version of a plugin from the data folder of a running appliance. What it has decoded
stays. A built-in plugin can only be disabled.`,
		Example: `  wayside plugin remove hours`,
		Args:    cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		if err := c.RemovePlugin(ctx, args[0]); err != nil {
			return fmt.Errorf("remove %s: %w", args[0], err)
		}
		if f.json {
			return r.printJSON(map[string]string{"removed": args[0]})
		}
		return r.print(args[0] + " removed\n")
	})
}

// pluginSwitchCmd makes a command that changes a plugin and prints its state.
func (r *root) pluginSwitchCmd(name, short string, do func(*client.Client, context.Context, string) (client.Plugin, error)) *cobra.Command {
	return r.remoteCmd(&cobra.Command{
		Use: name + " ID", Short: short, Example: "  wayside plugin " + name + " rail", Args: cobra.ExactArgs(1),
	}, func(ctx context.Context, c *client.Client, f remoteFlags, args []string) error {
		p, err := do(c, ctx, args[0])
		if err != nil {
			return fmt.Errorf("%s %s: %w", name, args[0], err)
		}
		if f.json {
			return r.printJSON(p)
		}
		return r.print(fmt.Sprintf("%s %s: %s\n", p.ID, p.Version, p.State))
	})
}
