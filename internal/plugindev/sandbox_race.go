//go:build race

package plugindev

import "github.com/wayside-edge/wayside/internal/runtime"

// sandbox leaves out the limit of address space: the race detector needs more than any sensible one.
func sandbox() runtime.Sandbox { return runtime.Sandbox{NoDataLimit: true} }
