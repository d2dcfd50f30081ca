package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

const (
	attackFor = 10 * time.Second       // of looking at the appliance, idle and attacked
	attackGap = 2 * time.Millisecond   // between looks
	liveWait  = 5 * time.Second        // beyond which an answer counts as none
	settle    = 500 * time.Millisecond // until attacks have begun
)

// attackers are decoders that misbehave. Their files begin with their names.
func attackers() map[string][]byte {
	out := map[string][]byte{}
	for id, g := range map[string]*runtimetest.Guest{
		"loop": runtimetest.EndlessLoop("loop"), "recursion": runtimetest.Recursion("recursion", 60),
		"doubling": runtimetest.Doubling("doubling"), "output": runtimetest.OutputBomb("output"),
		"bomb": runtimetest.CompileBomb("bomb", 60),
	} {
		g.Change(func(m *abi.Manifest) { m.Formats[0].Sniff = []abi.Sniff{{Bytes: fmt.Sprintf("%x", id)}} })
		out[id] = g.Wasm()
	}
	return out
}

// measureAttack compares how long GET /health/live takes while decoders attack with how long it takes before, in the
// same process: the 99th of a hundred.
func measureAttack(ctx context.Context, b *bench) ([]figure, error) {
	plugins := filepath.Join(b.work, "attackers")
	if err := os.MkdirAll(plugins, 0o700); err != nil {
		return nil, fmt.Errorf("make plugin folder: %w", err)
	}
	var idle, under, ratio spread
	for range b.runs {
		quiet, loud, err := b.attack(ctx, plugins)
		if err != nil {
			return nil, err
		}
		idle, under = append(idle, quiet), append(under, loud)
		ratio = append(ratio, loud/quiet)
	}
	return []figure{
		{"GET /health/live, idle: p99, ms", "–", idle.String()},
		{"GET /health/live, five decoders attack: p99, ms", "–", under.String()},
		{"÷ idle", "≤ 3", ratio.String()},
	}, nil
}

// attack measures one appliance: p99 in ms, idle and attacked.
func (b *bench) attack(ctx context.Context, plugins string) (quiet, loud float64, err error) {
	dir, err := b.folder()
	if err != nil {
		return 0, 0, err
	}
	for id, wasm := range attackers() {
		if id == "bomb" { // goes on being compiled until it is stopped
			continue
		}
		if err := os.WriteFile(filepath.Join(plugins, id+".wasm"), wasm, 0o600); err != nil {
			return 0, 0, fmt.Errorf("write plugin: %w", err)
		}
	}
	bomb := filepath.Join(plugins, "bomb.wasm")
	if err := os.Remove(bomb); err != nil && !os.IsNotExist(err) {
		return 0, 0, fmt.Errorf("remove plugin: %w", err)
	}
	env := []string{"WAYSIDE_PLUGINS_DIRS=" + plugins, "WAYSIDE_PLUGINS_COMPILE_TIMEOUT=60s"}
	a, err := startAppliance(ctx, b.bin, dir, env...)
	if err != nil {
		return 0, 0, err
	}
	if err := a.compiled(ctx); err != nil {
		return 0, 0, err
	}
	before, err := a.live(ctx)
	if err != nil {
		return 0, 0, err
	}
	if err := a.stop(); err != nil {
		return 0, 0, err
	}
	if err := os.WriteFile(bomb, attackers()["bomb"], 0o600); err != nil {
		return 0, 0, fmt.Errorf("write plugin: %w", err)
	}
	if a, err = startAppliance(ctx, b.bin, dir, env...); err != nil {
		return 0, 0, err
	}
	attacking, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for id := range attackers() {
		if id != "bomb" {
			wg.Go(func() { a.besiege(attacking, id) })
		}
	}
	select {
	case <-time.After(settle):
	case <-ctx.Done():
	}
	during, err := a.live(ctx)
	cancel()
	wg.Wait()
	if err != nil {
		return 0, 0, err
	}
	return before.quantile(0.99), during.quantile(0.99), a.stop()
}

// besiege uploads files of an attacker, one after the other, until ctx ends: there is always one that waits.
func (a *appliance) besiege(ctx context.Context, id string) {
	for n := 0; ctx.Err() == nil; n++ {
		name := fmt.Sprintf("%s%d", id, n)
		if _, err := a.upload(ctx, name, bytes.NewReader([]byte(name)), "&wait=30"); err != nil {
			return
		}
	}
}

// live asks for /health/live again and again and gives the times in ms.
func (a *appliance) live(ctx context.Context) (spread, error) {
	var out spread
	for end := time.Now().Add(attackFor); time.Now().Before(end); {
		one, cancel := context.WithTimeout(ctx, liveWait)
		began := time.Now()
		err := a.do(one, http.MethodGet, "/health/live", "", nil, nil)
		cancel()
		if err != nil {
			return nil, err
		}
		out = append(out, ms(time.Since(began)))
		select {
		case <-time.After(attackGap):
		case <-ctx.Done():
			return nil, fmt.Errorf("measure: %w", ctx.Err())
		}
	}
	return slices.Clip(out), nil
}
