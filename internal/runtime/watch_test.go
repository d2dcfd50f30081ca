package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/runtime/runtimetest"
)

// deaf is a notifier that tells only what a test makes it tell.
type deaf struct {
	events chan folderEvent
	lost   chan error
}

func newDeaf() *deaf { return &deaf{make(chan folderEvent), make(chan error)} }

func (d *deaf) Add(string) error           { return nil }
func (d *deaf) Remove(string)              {}
func (d *deaf) Events() <-chan folderEvent { return d.events }
func (d *deaf) Lost() <-chan error         { return d.lost }
func (d *deaf) Close() error               { return nil }

// follow runs a registry of one folder in a bubble of virtual time. The folder holds nothing that could be compiled:
// processes know no virtual time.
func follow(t *testing.T, notify func() (notifier, error)) (reg *Registry, dir string, log *logSink) {
	t.Helper()
	dir, log = t.TempDir(), &logSink{}
	reg, err := OpenRegistry(t.Context(), Config{
		CompiledDir: t.TempDir(), Dirs: []Dir{{dir, Data}}, Watch: true, Debounce: 500 * time.Millisecond, notify: notify,
		Logger: slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = reg.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return reg, dir, log
}

// after reports whether a plugin is known after d more.
func after(d time.Duration, reg *Registry, id string) bool {
	time.Sleep(d)
	synctest.Wait()
	_, ok := reg.Get(id)
	return ok
}

func junk(t *testing.T, dir, name string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte("junk of "+name), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestLostEventsAreMadeUpFor loses events: all folders are looked at as soon as that is known, and now and then anyway.
func TestLostEventsAreMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		reg, dir, log := follow(t, func() (notifier, error) { return d, nil })
		time.Sleep(time.Second)
		junk(t, dir, "a.wasm")
		if after(10*time.Second, reg, "a.wasm") {
			t.Fatal("known though nobody told")
		}
		d.lost <- errEventsLost
		if after(100*time.Millisecond, reg, "a.wasm") {
			t.Error("read though it may still be written")
		}
		if !after(500*time.Millisecond, reg, "a.wasm") {
			t.Error("not looked for")
		}
		if !strings.Contains(log.String(), errEventsLost.Error()) {
			t.Errorf("not said: %s", log)
		}
		junk(t, dir, "b.wasm")
		if !after(rescanEvery+time.Second, reg, "b.wasm") {
			t.Error("not found by looking now and then")
		}
	})
}

// TestFoldersAreLookedAtWithoutTheKernel has no notifier at all.
func TestFoldersAreLookedAtWithoutTheKernel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg, dir, log := follow(t, func() (notifier, error) { return nil, unix.EMFILE })
		time.Sleep(time.Second)
		junk(t, dir, "a.wasm")
		if !after(pollEveryBlind+time.Second, reg, "a.wasm") {
			t.Error("not looked for")
		}
		if !strings.Contains(log.String(), "now and then") || !strings.Contains(log.String(), unix.EMFILE.Error()) {
			t.Errorf("not said: %s", log)
		}
	})
}

// TestWriterWhoGoesOn closes a file that is no module yet, and opens it again: what it held in between is not taken.
func TestWriterWhoGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		reg, dir, log := follow(t, func() (notifier, error) { return d, nil })
		time.Sleep(time.Second)
		path := filepath.Join(dir, "a.wasm")
		junk(t, dir, "a.wasm")
		d.events <- folderEvent{path, complete}
		if after(400*time.Millisecond, reg, "a.wasm") {
			t.Error("half a module was taken at its writer's word")
		}
		if !after(200*time.Millisecond, reg, "a.wasm") {
			t.Error("it does not count after the whole time either")
		}
		if n := strings.Count(log.String(), "plugin rejected"); n != 1 {
			t.Errorf("rejected %d times: %s", n, log)
		}
		g := runtimetest.Lines("drop").Wasm() // rejected for its signature alone: nothing is compiled
		if err := reg.SetRules(t.Context(), Rules{Policy: Require}); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, g, 0o600); err != nil {
			t.Fatal(err)
		}
		d.events <- folderEvent{path, changed}
		if after(200*time.Millisecond, reg, "drop") {
			t.Error("read while it is written")
		}
		d.events <- folderEvent{path, complete}
		if !after(60*time.Millisecond, reg, "drop") {
			t.Error("a whole module is not taken at its writer's word")
		}
	})
}

// hasty makes the folder that is waited for in the moment in which the one above it is beginning to be watched.
type hasty struct {
	*deaf
	dir   string
	added []string
}

func (h *hasty) Add(dir string) error {
	if dir == filepath.Dir(h.dir) {
		if err := os.Mkdir(h.dir, 0o700); err != nil {
			return err //nolint:wrapcheck // of a test
		}
	}
	h.added = append(h.added, dir)
	return nil
}

// TestFolderThatComesInBetween is told of by nobody: it came after the look and before the watch.
func TestFolderThatComesInBetween(t *testing.T) {
	h := &hasty{deaf: newDeaf(), dir: filepath.Join(t.TempDir(), "plugins")}
	w := &watcher{
		reg: &Registry{cfg: Config{Dirs: []Dir{{h.dir, Data}}}}, notify: h, watched: map[string]stamp{}, timer: time.NewTimer(time.Hour),
	}
	w.follow(t.Context())
	if want := []string{filepath.Dir(h.dir), h.dir}; !slices.Equal(h.added, want) {
		t.Errorf("watched %v, want %v", h.added, want)
	}
}

// TestFolderThatCannotBeRead says it once, and leaves what was there.
func TestFolderThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		reg, dir, log := follow(t, func() (notifier, error) { return d, nil })
		junk(t, dir, "a.wasm")
		if !after(rescanEvery+time.Second, reg, "a.wasm") {
			t.Fatal("not found")
		}
		if err := os.Rename(dir, dir+"-aside"); err != nil {
			t.Fatal(err)
		}
		junk(t, filepath.Dir(dir), filepath.Base(dir)) // a file in its place: no reader of any rights can list it
		if !after(5*rescanEvery, reg, "a.wasm") {
			t.Error("what was there is gone")
		}
		if n := strings.Count(log.String(), "plugin folder not read"); n != 1 {
			t.Errorf("said %d times: %s", n, log)
		}
		if err := errors.Join(os.Remove(dir), os.Rename(dir+"-aside", dir), os.Remove(filepath.Join(dir, "a.wasm"))); err != nil {
			t.Fatal(err)
		}
		if after(rescanEvery+time.Second, reg, "a.wasm") {
			t.Error("it is not followed any more")
		}
	})
}

// TestTooManyFiles takes the first thousand and says so once.
func TestTooManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDeaf()
		reg, dir, log := follow(t, func() (notifier, error) { return d, nil })
		for i := range maxFiles + 5 {
			junk(t, dir, fmt.Sprintf("%04d.wasm", i))
		}
		if !after(5*rescanEvery, reg, "0999.wasm") || after(time.Second, reg, "1000.wasm") || len(reg.Plugins()) != maxFiles {
			t.Errorf("%d plugins", len(reg.Plugins()))
		}
		if n := strings.Count(log.String(), "too many plugins"); n != 1 {
			t.Errorf("said %d times", n)
		}
	})
}

// TestFilesThatAreNone drops what is no file, or far too large: each is refused at once and unread.
func TestFilesThatAreNone(t *testing.T) {
	dir := t.TempDir()
	const huge = 1 << 30
	path := func(name string) string { return filepath.Join(dir, name+".wasm") }
	if err := errors.Join(
		syscall.Mkfifo(path("fifo"), 0o600), os.Symlink("/dev/zero", path("link")), os.Symlink("nowhere", path("dangling")),
		os.WriteFile(path("huge"), nil, 0o600), os.Truncate(path("huge"), huge), os.WriteFile(path("secret"), []byte("x"), 0),
	); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"fifo": "no regular file", "link": "no regular file", "dangling": "no regular file", "huge": "the limit is 16777216",
	}
	if syscall.Mknod(path("zero"), syscall.S_IFCHR|0o600, int(unix.Mkdev(1, 5))) == nil { // needs to be root
		want["zero"] = "no regular file"
	}
	if os.Geteuid() != 0 {
		want["secret"] = "permission denied"
	}
	began := time.Now()
	reg, err := OpenRegistry(t.Context(), Config{CompiledDir: t.TempDir(), Dirs: []Dir{{dir, Data}}})
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %s", took)
	}
	for name, reason := range want {
		p, ok := reg.Get(name + ".wasm")
		if !ok || p.State != Rejected || !strings.Contains(p.Reason, reason) {
			t.Errorf("%s: %s %q, want %q", name, p.State, p.Reason, reason)
		}
	}
	// A file may become something else between two looks at it.
	for _, name := range []string{"fifo", "link", "dangling", "zero"} {
		if _, err := readFile(path(name), 16); err == nil {
			t.Errorf("%s is read", name)
		}
	}
}

// TestFileThatGrows reads one that had another size when it was opened.
func TestFileThatGrows(t *testing.T) {
	for size, limit := range map[int]int{17: 16, 16: 16} {
		f := grown{File: nil, rest: bytes.NewReader(make([]byte, size))}
		b, err := readOpen(f, limit)
		if (err == nil) != (size <= limit) || err == nil && len(b) != size {
			t.Errorf("%d bytes of a file that had 1, with a limit of %d: %d bytes, %v", size, limit, len(b), err)
		}
	}
}

// TestQuickOneBesideASlowOne compiles a module while another takes long, where there is memory, and after it where there
// is none.
func TestQuickOneBesideASlowOne(t *testing.T) {
	slow := runtimetest.NewGuest("slow", 1, 16)
	slow.Start(slow.Func("", nil, nil, nil, runtimetest.Loop(runtimetest.Br(0))))
	slow.Decode(i32(0))
	for _, room := range []bool{true, false} {
		t.Run(fmt.Sprint("room ", room), func(t *testing.T) {
			seen := &changes{changed: make(chan struct{}, 1)}
			d := newDrop(t)
			d.put("slow.wasm", slow.Wasm())
			r := newRig(t, func(c *Config) {
				d.config(c)
				c.Limits.Compile, c.Recorder, c.room = 2*time.Second, seen, func() bool { return room }
			}, nil)
			seen.await(t.Context(), "compile")
			d.put("quick.wasm", lines("quick", "1.0.0"))
			r.until("quick", "active", active("1.0.0"))
			p, _ := r.reg.Get("slow")
			if beside := p.State == Compiling; beside != room {
				t.Errorf("the slow one is %s when the quick one is ready", p.State)
			}
			if err := r.reg.Wait(t.Context(), module.Hash(slow.Wasm())); err == nil {
				t.Error("the slow one can be used")
			}
		})
	}
}

// TestTheSmallOneFirst chooses among modules that nobody waits for, and one that somebody does.
func TestTheSmallOneFirst(t *testing.T) {
	small, large, asked := &entry{size: 1}, &entry{size: 9}, &entry{size: 10, wanted: 1}
	for _, c := range []struct {
		a, b *entry
		want bool
	}{{small, large, true}, {large, small, false}, {asked, small, true}, {small, asked, false}, {small, small, false}} {
		if got := c.a.sooner(c.b); got != c.want {
			t.Errorf("%d before %d: %v", c.a.size, c.b.size, got)
		}
	}
}

// grown is a file that says it has one byte.
type grown struct {
	*os.File
	rest *bytes.Reader
}

func (g grown) Read(b []byte) (int, error) { return g.rest.Read(b) }
func (g grown) Close() error               { return nil }
func (g grown) Stat() (os.FileInfo, error) { return oneByte{}, nil }

type oneByte struct{ os.FileInfo }

func (oneByte) Size() int64       { return 1 }
func (oneByte) Mode() os.FileMode { return 0o600 }
