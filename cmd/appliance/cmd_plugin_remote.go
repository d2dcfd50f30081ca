package main

import "github.com/spf13/cobra"

// pluginRemoteCmds are the commands that ask a running appliance about its plugins.
func (r *root) pluginRemoteCmds() []*cobra.Command { return nil }
