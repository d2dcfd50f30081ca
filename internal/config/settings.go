package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// The settings of plugins are a mapping of mappings. A raw value of theirs is flat: "rail.memory", or
// "rail.params.timezone", with a text. That is how layers merge, and how a variable is written.

// paramsName is the setting that is a mapping itself.
const paramsName = "params"

// setting is one of the settings of a plugin; like a key, its type says how a value is parsed.
type setting struct {
	key
	of func(*PluginSettings) any
}

// pluginSettings lists the settings of a plugin but params. The limits are those of the keys in decode.
func pluginSettings() []setting {
	return []setting{
		{key{name: "enabled"}, nil},
		{key{name: "memory", lo: mib, hi: gib}, func(s *PluginSettings) any { return &s.Memory }},
		{key{name: "stall", lo: 0.1, hi: 3600}, func(s *PluginSettings) any { return &s.Stall }},
		{key{name: "timeout", lo: 1, hi: 7 * day}, func(s *PluginSettings) any { return &s.Timeout }},
		{key{name: "timeout_per_mb", lo: 0.001, hi: 3600}, func(s *PluginSettings) any { return &s.TimeoutPerMB }},
		{key{name: "output_ratio", lo: 1, hi: 1e6}, func(s *PluginSettings) any { return &s.OutputRatio }},
		{key{name: "output_base", lo: kib, hi: tib}, func(s *PluginSettings) any { return &s.OutputBase }},
		{key{name: "max_issues", lo: 1, hi: 1e7}, func(s *PluginSettings) any { return &s.MaxIssues }},
		{key{name: "max_log", lo: kib, hi: gib}, func(s *PluginSettings) any { return &s.MaxLog }},
	}
}

// set parses one setting.
func (k *setting) set(s *PluginSettings, text string) error {
	if k.of == nil {
		on, err := parseBool(text)
		s.Disabled = !on
		return err
	}
	return k.setScalar(k.of(s), text)
}

// show writes one setting, "" where it is not set.
func (k *setting) show(s *PluginSettings) string {
	if k.of == nil {
		if s.Disabled {
			return "false"
		}
		return ""
	}
	holder := key{at: func(*Config) any { return k.of(s) }}
	if text := holder.show(nil); text != "0" && text != "0s" {
		return text
	}
	return ""
}

// setSetting parses a flat name and its value into the settings.
func setSetting(into map[string]PluginSettings, name, text string) error {
	id, rest, _ := strings.Cut(name, ".")
	if !pluginID(id) {
		return fmt.Errorf("%q is no id of a plugin: lower-case letters, digits and -", clip(id))
	}
	s := into[id]
	what, param, deeper := strings.Cut(rest, ".")
	switch {
	case rest == "":
		return errors.New("a mapping of settings is meant, such as {memory: 128 MiB}")
	case what == paramsName && param != "":
		if s.Params = maps.Clone(s.Params); s.Params == nil {
			s.Params = map[string]string{}
		}
		s.Params[param] = text
	case what == paramsName:
		return errors.New("a mapping of parameters to values is meant")
	default:
		known := pluginSettings()
		i := slices.IndexFunc(known, func(k setting) bool { return k.name == what })
		if i < 0 || deeper {
			return errors.New(unknown("setting", rest, settingNames()))
		}
		if err := known[i].set(&s, strings.TrimSpace(text)); err != nil {
			return err
		}
	}
	into[id] = s
	return nil
}

func settingNames() []string {
	names := []string{paramsName}
	for _, k := range pluginSettings() {
		names = append(names, k.name)
	}
	return names
}

// pluginID reports whether a manifest can have the id.
func pluginID(s string) bool {
	return len(s) >= 2 && len(s) <= 63 && s[0] >= 'a' && s[0] <= 'z' && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}

// fillSettings parses the flat form, in the order of names.
func fillSettings(dst *map[string]PluginSettings, flat map[string]any) error {
	out := make(map[string]PluginSettings)
	for _, name := range slices.Sorted(maps.Keys(flat)) {
		text, ok := flat[name].(string)
		if !ok {
			return fmt.Errorf("%s: one value is meant", clip(name))
		}
		if err := setSetting(out, name, text); err != nil {
			return fmt.Errorf("%s: %w", clip(name), err)
		}
	}
	*dst = out
	return nil
}

// showSettings writes the flat form.
func showSettings(m map[string]PluginSettings) string {
	var items []string
	for _, id := range slices.Sorted(maps.Keys(m)) {
		s := m[id]
		for _, k := range pluginSettings() {
			if text := k.show(&s); text != "" {
				items = append(items, id+"."+k.name+": "+text)
			}
		}
		for _, p := range slices.Sorted(maps.Keys(s.Params)) {
			items = append(items, id+"."+paramsName+"."+p+": "+quote(s.Params[p]))
		}
	}
	return "{" + strings.Join(items, ", ") + "}"
}

// nested reports whether the values of a key are mappings of mappings.
func (k *key) nested() bool {
	_, ok := k.at(&Config{}).(*map[string]PluginSettings)
	return ok
}

// settings walks the settings of plugins, so that each wrong one is reported with its own line.
func (y *yamlFile) settings(k *key, n *yaml.Node) {
	flat, scratch := map[string]any{}, map[string]PluginSettings{}
	y.places[k.name] = y.place(n)
	y.flatten(k.name, "", n, func(leaf *yaml.Node, name, text string) {
		if _, twice := flat[name]; twice {
			y.wrong(leaf, k.name+"."+name, "is set twice")
			return
		}
		if err := setSetting(scratch, name, text); err != nil {
			y.wrong(leaf, k.name+"."+name, err.Error())
			return
		}
		flat[name] = text
	})
	y.values[k.name] = flat
}

// flatten calls leaf for every value below n. Lists are values of parameters: their items, separated by commas.
func (y *yamlFile) flatten(key, at string, n *yaml.Node, leaf func(n *yaml.Node, name, text string)) {
	const deepest = 3 // plugin, params, parameter
	switch {
	case isNull(n):
	case n.Kind == yaml.ScalarNode && at != "":
		leaf(n, at, n.Value)
	case n.Kind == yaml.SequenceNode && strings.Count(at, ".") == deepest-1:
		raw, ok := plain(n)
		list, _ := raw.([]string)
		if !ok {
			y.wrong(n, key+"."+at, "a list of values is meant")
			return
		}
		leaf(n, at, strings.Join(list, ","))
	case n.Kind == yaml.MappingNode && (at == "" || strings.Count(at, ".") < deepest-1):
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			if name.Kind != yaml.ScalarNode || (strings.Contains(name.Value, ".") && strings.Count(at, ".") == 0) {
				y.wrong(name, key, "a name is meant here")
				continue
			}
			below := name.Value
			if at != "" {
				below = at + "." + below
			}
			y.flatten(key, below, value, leaf)
		}
	default:
		y.wrong(n, strings.TrimSuffix(key+"."+at, "."), "is a mapping of plugins to mappings of settings, such as rail: {memory: 128 MiB}")
	}
}
