package config

import (
	"fmt"
	"slices"
	"strings"
)

// key is one configuration key: what Load, `config show`, docs/config.md and the shipped file know of it.
type key struct {
	name  string
	def   string            // default, as it would be written in the file
	at    func(*Config) any // pointer to the field; its type says how the value is parsed
	doc   string            // one or more sentences
	flag  string            // of `wayside serve`, "" = none
	older []string          // names of older variables that set it, for the documentation
	oneOf []string          // allowed values of a text
	lo    float64           // least number: bytes, seconds or plain
	hi    float64           // largest number, 0 = no limit
	built bool              // false: the part that uses it comes later
	live  bool              // applied by a reload
	// percent numbers are shares of a hundred.
	percent bool
	// secret values are masked wherever they are shown.
	secret bool
	// shown replaces the default in documentation where it depends on the machine.
	shown string
}

// env gives the variable of a key: WAYSIDE_SERVER_LISTEN for server.listen.
func (k *key) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(k.name, ".", "_"))
}

// section gives the part before the first dot, "server" of server.listen.
func (k *key) section() string {
	s, _, _ := strings.Cut(k.name, ".")
	return s
}

// defaultText is the default for people.
func (k *key) defaultText() string {
	if k.shown != "" {
		return k.shown
	}
	return k.def
}

// table is the list of keys with the ways to find one.
type table struct {
	keys   []key
	byName map[string]*key
	byEnv  map[string]*key
	byFlag map[string]*key
}

func newTable() *table {
	t := &table{byName: map[string]*key{}, byEnv: map[string]*key{}, byFlag: map[string]*key{}}
	t.keys = slices.Concat(placeKeys(), serverKeys(), uploadKeys(), storeKeys(), pluginKeys(), decodeKeys(), queueKeys(), kvKeys(),
		observeKeys(), alertKeys())
	for i := range t.keys {
		k := &t.keys[i]
		t.byName[k.name], t.byEnv[k.env()] = k, k
		if k.flag != "" {
			t.byFlag[k.flag] = k
		}
	}
	return t
}

// section reports whether name is the beginning of some key.
func (t *table) section(name string) bool {
	return slices.ContainsFunc(t.keys, func(k key) bool { return strings.HasPrefix(k.name, name+".") })
}

// names gives all key names.
func (t *table) names() []string {
	out := make([]string, len(t.keys))
	for i := range t.keys {
		out[i] = t.keys[i].name
	}
	return out
}

// unknown words the problem of a name that is no key, with the nearest ones that are.
func unknown(what, name string, valid []string) string {
	msg := fmt.Sprintf("unknown %s %q", what, clip(name))
	if n := nearest(name, valid); n != "" {
		msg += fmt.Sprintf("; did you mean %q?", n)
	}
	return msg
}

// clip bounds text of a configuration that is repeated in a message.
func clip(s string) string {
	const most = 80
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// nearest gives the valid name with the least edit distance, "" where none is near.
func nearest(name string, valid []string) string {
	name = strings.ToLower(name)
	if len(name) > 100 {
		return ""
	}
	best, bestDist := "", len(name)/2+2
	for _, v := range valid {
		if d := distance(name, strings.ToLower(v)); d < bestDist {
			best, bestDist = v, d
		}
	}
	return best
}

// distance is the number of single-character insertions, deletions, replacements and swaps of neighbours between a
// and b.
func distance(a, b string) int {
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
