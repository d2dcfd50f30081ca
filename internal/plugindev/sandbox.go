//go:build !race

package plugindev

import "github.com/wayside-edge/wayside/internal/runtime"

// sandbox is how workers are confined: wholly.
func sandbox() runtime.Sandbox { return runtime.Sandbox{} }
