package main

import (
	"testing"

	"github.com/wayside-edge/wayside/sdk/client"
)

func TestWorkerLine(t *testing.T) {
	for want, n := range map[string]client.Worker{
		"w: 1 at work\n":                              {ID: "w", External: true, Active: 1},
		"w: draining, 0 at work\n":                    {ID: "w", External: true, Draining: true},
		"local: the appliance, draining, 2 at work\n": {ID: "local", Draining: true, Active: 2},
	} {
		if got := workerLine(&n); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
