package plugindev

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// devRun is a Dev that goes on beside the test, over a project whose build copies guest.src, and fails where it is empty.
type devRun struct {
	t     *testing.T
	dir   string
	lines *bufio.Scanner
}

func (d *devRun) write(name, content string) {
	d.t.Helper()
	if err := os.WriteFile(filepath.Join(d.dir, name), []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// wait reads what Dev prints until a line holds text.
func (d *devRun) wait(text string) {
	d.t.Helper()
	var seen []string
	for d.lines.Scan() {
		if seen = append(seen, d.lines.Text()); strings.Contains(d.lines.Text(), text) {
			return
		}
	}
	d.t.Fatalf("Dev ended before it printed %q; it printed\n%s", text, strings.Join(seen, "\n"))
}

func TestDevFollowsChanges(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("no make on this machine")
	}
	d := devRun{t: t, dir: filepath.Join(t.TempDir(), "project")}
	if err := os.Mkdir(d.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	d.write("Makefile", "all:\n\ttest -s guest.src\n\tcp guest.src guest.wasm\n")
	d.write("guest.src", string(eights(true)))
	d.write("input.bin", "0123456789abcdef")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // not waited for, unless Dev misses a change
	defer cancel()
	out, in := io.Pipe()
	d.lines = bufio.NewScanner(out)
	ended := make(chan error, 1)
	go func() {
		err := Dev(ctx, DevConfig{
			Dir: d.dir, Input: filepath.Join(d.dir, "input.bin"), Self: os.Args[0], Every: 5 * time.Millisecond, Out: in, Err: io.Discard,
		})
		_ = in.Close()
		ended <- err
	}()
	d.wait("2 rows")
	d.write("guest.src", "")
	d.wait("the build failed; waiting for a change")
	d.write("guest.src", string(eights(true)))
	d.wait("2 rows")
	d.write("input.bin", "0123456789abcdef01234567")
	d.wait("3 rows")
	if err := os.Remove(filepath.Join(d.dir, "input.bin")); err != nil {
		t.Fatal(err)
	}
	d.wait("input.bin: no such file")
	d.write("input.bin", "01234567")
	d.wait("1 rows")
	if err := os.Rename(d.dir, d.dir+".gone"); err != nil {
		t.Fatal(err)
	}
	d.wait("the build failed; waiting for a change")
	cancel()
	_, _ = io.Copy(io.Discard, out)
	if err := <-ended; err != nil {
		t.Errorf("Dev, interrupted: %v", err)
	}
}
