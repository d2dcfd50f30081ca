package app

import (
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/queue/local"
	"github.com/wayside-edge/wayside/internal/store"
)

// world is what the appliance takes from the machine it runs on and that an endurance run makes worse: a slow disk, a
// clock that is set. Which one there is, is decided when the binary is built: see openWorld.
type world struct {
	fs    disk.FS
	now   func() time.Time
	clock local.Clock             // nil = the machine's
	hook  func(store.Point) error // nil = none
}
