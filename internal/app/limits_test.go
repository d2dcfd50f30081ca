package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/runtime"
)

// Every limit of the configuration reaches the runtime, none in the place of another.
func TestLimitsReachTheRuntime(t *testing.T) {
	const mib = 1 << 20
	c := config.Config{
		Plugins: config.Plugins{
			MaxModule: 1, MaxFunction: 2, MaxFunctions: 3, MaxLocals: 4, MaxNesting: 5, CompileTimeout: 6, CompileMemory: 7 * mib,
		},
		Decode: config.Decode{
			Workers: 8, Memory: 9 * mib, MaxMemory: 10 * mib, Stall: 11, Timeout: 12, TimeoutPerMB: 13, OutputRatio: 14,
			OutputBase: 15, MaxIssues: 16, MaxLog: 17, SniffTimeout: 18,
		},
		Worker: config.Worker{Idle: 19, Files: 20, MaxRSS: 21},
	}
	a := &appliance{cfg: c, folder: &folder{}, logs: &observe.Logs{}}
	got := a.runtimeConfig(nil)
	want := runtime.Limits{
		MemoryMiB: 9, MaxMemory: 10, Stall: 11, Total: 12, PerMB: 13, OutputRatio: 14, OutputBase: 15, Issues: 16, LogBytes: 17,
		Compile: 6, CompileMiB: 7, Sniff: 18,
		Module: runtime.ModuleLimits{Bytes: 1, Body: 2, Functions: 3, Locals: 4, Nesting: 5},
	}
	if d := cmp.Diff(want, got.Limits); d != "" {
		t.Error(d)
	}
	if got.Workers != 8 || got.Idle != time.Duration(19) || got.Recycle != 20 || got.MaxRSS != 21 {
		t.Errorf("%+v", got)
	}
}
