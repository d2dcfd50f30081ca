package runtime

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// content is what a file of the model holds.
type content struct {
	id, version string // "" = nothing that can be used
	bytes       []byte
}

// compiledContents gives modules that are compiled in a folder already, some that are not, and junk.
func compiledContents(t *testing.T) (dir string, all []content) {
	t.Helper()
	fsys := map[string][]byte{}
	for i, idv := range []string{"aa 1.0.0", "aa 1.1.0", "aa 2.0.0-rc.1", "bb 1.0.0", "bb 1.0.1"} {
		id, version, _ := strings.Cut(idv, " ")
		g := runtimetest.Lines(id)
		g.Change(func(m *abi.Manifest) { m.Version, m.Description = version, strings.Repeat("x", i) })
		c := content{id, version, g.Wasm()}
		fsys[strings.ReplaceAll(idv, " ", "-")] = c.bytes
		all = append(all, c)
	}
	for name, b := range fsys { // each alone: of one id only one would be compiled
		r := newRig(t, func(c *Config) {
			if dir == "" {
				dir = c.CompiledDir
			}
			c.CompiledDir = dir
		}, map[string][]byte{name: b})
		if err := waitFor(r, module.Hash(b)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, append(all, content{bytes: []byte("junk")}, content{bytes: all[0].bytes[:90]}, content{bytes: lines("aa", "9.0.0")})
}

// folderModel is the folder as the model has it.
type folderModel struct {
	files map[string]*content // by name; now
	good  map[string]*content // the last good one, as of the last scan
}

// scan makes the model what a registry is after it has read the folder.
func (m *folderModel) scan() {
	for name := range m.good {
		if m.files[name] == nil {
			delete(m.good, name)
		}
	}
	for name, c := range m.files {
		if c.id != "" {
			m.good[name] = c
		}
	}
}

// serving gives the version that is to serve an id, "" = none.
func (m *folderModel) serving(id string) string {
	best := ""
	for _, c := range m.good {
		if c.id == id && (best == "" || module.CompareVersions(c.version, best) > 0) {
			best = c.version
		}
	}
	return best
}

// TestFolderAgainstAModel does random things to a folder and compares what serves with a model, 500 times. Every
// tenth sequence opens the registry anew in between.
func TestFolderAgainstAModel(t *testing.T) {
	compiled, contents := compiledContents(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := range 500 {
		rnd := rand.New(rand.NewPCG(seed, uint64(n)))
		if msg := folderSequence(t, rnd, compiled, contents, n%10 == 0); msg != "" {
			t.Fatalf("sequence %d of seed %d: %s", n, seed, msg)
		}
	}
}

func folderSequence(t *testing.T, rnd *rand.Rand, compiled string, contents []content, reopen bool) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "plugins")
	cfg := Config{
		CompiledDir: compiled, Dirs: []Dir{{dir, Data}}, InstallDir: dir, Debounce: time.Nanosecond, States: &memStates{},
	}
	open := func() *Registry {
		r, err := OpenRegistry(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	r, model, done := open(), folderModel{files: map[string]*content{}, good: map[string]*content{}}, []string{}
	for range 4 + rnd.IntN(12) {
		for range 1 + rnd.IntN(3) {
			done = append(done, model.act(t, rnd, dir, contents))
		}
		model.scan()
		if reopen && rnd.IntN(3) == 0 {
			r, done = open(), append(done, "open")
		} else {
			mode := scanMode(rnd.IntN(2))
			for r.rescan(t.Context(), mode) > 0 {
			}
			done = append(done, fmt.Sprintf("scan %d", mode))
		}
		for _, id := range []string{"aa", "bb"} {
			got := ""
			if p, ok := r.Get(id); ok && p.State == Active {
				if got = p.Version; r.Wait(t.Context(), p.SHA256) != nil {
					return fmt.Sprintf("%s: %s serves and cannot be used", strings.Join(done, ", "), id)
				}
			}
			if want := model.serving(id); got != want {
				return fmt.Sprintf("%s: %s is served by %q, want %q", strings.Join(done, ", "), id, got, want)
			}
		}
	}
	return ""
}

// act does one thing to the folder and gives its name.
func (m *folderModel) act(t *testing.T, rnd *rand.Rand, dir string, contents []content) string {
	t.Helper()
	name, other := fmt.Sprintf("%d.wasm", rnd.IntN(3)), fmt.Sprintf("%d.wasm", rnd.IntN(3))
	path, c := filepath.Join(dir, name), &contents[rnd.IntN(len(contents))]
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	label := fmt.Sprintf("%s=%s%s(%d)", name, c.id, c.version, len(c.bytes))
	switch op := rnd.IntN(10); {
	case op < 4: // in place
		must(os.MkdirAll(dir, 0o700))
		must(os.WriteFile(path, c.bytes, 0o600))
		m.files[name] = c
		return "write " + label
	case op < 6: // beside it, and renamed
		must(os.MkdirAll(dir, 0o700))
		must(os.WriteFile(path+".part", c.bytes, 0o600))
		must(os.Rename(path+".part", path))
		m.files[name] = c
		return "rename over " + label
	case op < 8 && m.files[name] != nil:
		must(os.Remove(path))
		delete(m.files, name)
		return "remove " + name
	case op < 9 && m.files[name] != nil && name != other:
		must(os.Rename(path, filepath.Join(dir, other)))
		m.files[other] = m.files[name]
		delete(m.files, name)
		return "move " + name + " to " + other
	case rnd.IntN(4) == 0:
		must(os.RemoveAll(dir))
		clear(m.files)
		return "remove folder"
	}
	return "nothing"
}
