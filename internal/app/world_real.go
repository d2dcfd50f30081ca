//go:build !soak

package app

import (
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
)

// openWorld gives the machine as it is.
func openWorld() (world, error) { return world{fs: disk.OS, now: time.Now}, nil }
