package app

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/wayside-edge/wayside/internal/config"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/observe"
	"github.com/wayside-edge/wayside/internal/runtime"
	wasm "github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/store"
)

// PluginRules gives what the configuration says about plugins that can change while the appliance runs. It reads the
// files of keys.
func PluginRules(cfg config.Config) (runtime.Rules, error) {
	p := cfg.Plugins
	rules := runtime.Rules{
		Policy: runtime.Policy(p.Policy), Override: p.Override, Settings: make(map[string]runtime.Settings, len(p.Settings)),
	}
	for i, text := range p.Keys {
		k, err := publicKey(text)
		if err != nil {
			return runtime.Rules{}, errcode.Invalid("plugins.keys", "key %d: %v", i+1, err)
		}
		rules.Keys = append(rules.Keys, k)
	}
	const mib = 1 << 20
	for id, s := range p.Settings {
		rules.Settings[id] = runtime.Settings{
			Disabled: s.Disabled, MemoryMiB: int(s.Memory / mib), Stall: s.Stall, Total: s.Timeout, PerMB: s.TimeoutPerMB,
			OutputRatio: s.OutputRatio, OutputBase: int64(s.OutputBase), Issues: s.MaxIssues, LogBytes: int64(s.MaxLog),
			Params: s.Params,
		}
	}
	return rules, nil
}

// publicKey reads a key as it stands in the configuration, or the file that is named there.
func publicKey(text string) (ed25519.PublicKey, error) {
	if filepath.IsAbs(strings.TrimSpace(text)) {
		b, err := os.ReadFile(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("read key: %w", err)
		}
		text = string(b)
	}
	k, err := wasm.ParsePublicKey(text)
	if err != nil {
		return nil, fmt.Errorf("%w; a file is named by its absolute path", err)
	}
	return k, nil
}

// reloadRules makes the rules of a configuration that was read again count.
func (a *appliance) reloadRules(ctx context.Context, cfg config.Config) {
	rules, err := PluginRules(cfg)
	if err == nil {
		err = a.registry.SetRules(ctx, rules)
	}
	if err != nil {
		a.log.ErrorContext(ctx, "rules of plugins not reloaded", "error", err)
		fmt.Fprintf(a.env.Stderr, "rules of plugins not reloaded: %v\n", err)
	}
}

// pluginStates keeps the states of plugins in the database.
type pluginStates struct{ db *store.DB }

const pluginPrefix = "plugin/" // and the id

func (p pluginStates) space() store.Space { return p.db.Space("r/") }

// LoadPlugins gives what was saved, by plugin id.
func (p pluginStates) LoadPlugins(ctx context.Context) (map[string]runtime.Saved, error) {
	out := map[string]runtime.Saved{}
	err := p.space().Scan(ctx, store.ScanOptions{Prefix: []byte(pluginPrefix)}, func(key, value []byte) (bool, error) {
		var s runtime.Saved
		if err := json.Unmarshal(value, &s); err != nil {
			return false, fmt.Errorf("decode state of %s: %w", key, err)
		}
		out[strings.TrimPrefix(string(key), pluginPrefix)] = s
		return true, nil
	})
	if err != nil {
		return nil, fmt.Errorf("scan states: %w", err)
	}
	return out, nil
}

// SavePlugin makes the state of a plugin durable.
func (p pluginStates) SavePlugin(ctx context.Context, id string, s runtime.Saved) error {
	b, key := p.db.Batch(), []byte(pluginPrefix+id)
	value, err := json.Marshal(s)
	switch {
	case err != nil:
		return fmt.Errorf("encode state: %w", err)
	case !s.Disabled && len(s.Good) == 0:
		b.Delete(p.space(), key)
	default:
		b.Set(p.space(), key, value)
	}
	if err := p.db.Commit(ctx, b); err != nil {
		return fmt.Errorf("commit state: %w", err)
	}
	return nil
}

// workerRecorder gives the runtime's measurements to the metrics, and what happens to plugins to the event bus.
type workerRecorder struct {
	*observe.Metrics
	app *appliance
}

// DecodeEnded counts a verdict.
func (r workerRecorder) DecodeEnded(ctx context.Context, plugin string, res *runtime.Result) {
	v := observe.Verdict{Plugin: plugin, Status: string(res.Status), Took: res.Duration, Read: res.BytesRead, Rows: res.Rows}
	for _, t := range res.Tables {
		v.Written += t.Bytes
	}
	r.PluginDecoded(ctx, v)
}

// PluginChanged counts a plugin that came into a state, and tells of it as it is now: p may be a version that does not
// serve.
func (r workerRecorder) PluginChanged(p runtime.Plugin) {
	r.PluginInState(p.ID, string(p.State))
	if r.app.registry != nil {
		if now, ok := r.app.registry.Get(p.ID); ok && now.ID == p.ID {
			p = now
		}
	}
	r.app.events.Publish(runtime.TopicPlugin, p.ID, p)
}
