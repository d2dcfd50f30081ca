package runtime

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wayside-edge/wayside/internal/runtime/module"
)

// TestCompiledCodeDoesNotPileUp drops version after version: of those that are gone only the newest are kept, and none
// for ever. Who shares the folder with others leaves theirs alone.
func TestCompiledCodeDoesNotPileUp(t *testing.T) {
	for name, c := range map[string]struct {
		states States
		want   int
	}{"an appliance's own folder": {&memStates{}, maxUnused}, "a shared one": {nil, maxUnused + 5}} {
		t.Run(name, func(t *testing.T) {
			compiled, dir := t.TempDir(), t.TempDir()
			wasm := lines("drop", "1.0.0")
			folder := func(name string, age time.Duration) {
				t.Helper()
				path := filepath.Join(compiled, name)
				if err := os.Mkdir(path, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(path, "code"), []byte("x"), 0o600); err != nil {
					t.Fatal(err)
				}
				at := time.Now().Add(-age)
				if err := os.Chtimes(path, at, at); err != nil {
					t.Fatal(err)
				}
			}
			reg, err := OpenRegistry(t.Context(), Config{CompiledDir: compiled, Dirs: []Dir{{dir, Data}}, States: c.states})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "a.wasm"), wasm, 0o600); err != nil {
				t.Fatal(err)
			}
			for i := range maxUnused + 5 {
				folder(fmt.Sprintf("gone-%02d", i), time.Duration(i+1)*time.Hour)
			}
			folder("old", forgetAfter+time.Hour)
			folder(module.Hash(wasm), 2*forgetAfter) // in use
			folder(keptName, 2*forgetAfter)
			reg.rescan(t.Context(), readAll)
			left, err := os.ReadDir(compiled)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{module.Hash(wasm), keptName, "gone-00"} {
				if _, err := os.Stat(filepath.Join(compiled, name)); err != nil {
					t.Error(err)
				}
			}
			if len(left) != c.want+2 {
				t.Errorf("%d folders are left, want %d and those that are needed: %v", len(left), c.want, left)
			}
		})
	}
}

// TestSwitchingUndoesNoSave switches a plugin off while it is being saved that another version of it is good.
func TestSwitchingUndoesNoSave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, states := t.TempDir(), &listStates{}
		if err := os.WriteFile(filepath.Join(dir, "a.wasm"), lines("drop", "1.0.0"), 0o600); err != nil {
			t.Fatal(err)
		}
		reg, err := OpenRegistry(t.Context(), Config{CompiledDir: t.TempDir(), Dirs: []Dir{{dir, Data}}, States: states})
		if err != nil {
			t.Fatal(err)
		}
		reg.saving <- struct{}{} // somebody saves
		ended := make(chan error, 1)
		go func() {
			_, err := reg.SetEnabled(t.Context(), "drop", false)
			ended <- err
		}()
		synctest.Wait()
		reg.mu.Lock()
		reg.saved["drop"] = Saved{Good: map[string]string{"a.wasm": "new"}}
		reg.mu.Unlock()
		<-reg.saving
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if got := states.all[0]; !got.Disabled || got.Good["a.wasm"] != "new" {
			t.Errorf("saved %+v over what was saved before", got)
		}
	})
}

// listStates keeps what is saved, one after the other.
type listStates struct {
	memStates
	all []Saved
}

func (l *listStates) SavePlugin(ctx context.Context, id string, s Saved) error {
	l.all = append(l.all, s)
	return l.memStates.SavePlugin(ctx, id, s)
}
