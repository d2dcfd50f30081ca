package main

import "github.com/spf13/cobra"

// pluginCmd holds what is done with decoder plugins: cmd_plugin_remote.go has the commands for operators, which ask a
// running appliance.
func (r *root) pluginCmd() *cobra.Command {
	return group(&cobra.Command{
		Use:   "plugin",
		Short: "Work with decoder plugins",
		Long: `A decoder plugin is a WebAssembly module that turns one kind of recording into tables. The
appliance takes those inside its binary, those in /etc/wayside/plugins, and those in plugins/ of
its data folder.`,
	}, append(r.pluginRemoteCmds(), r.pluginAuthorCmds()...)...)
}
