//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/sdk/client"
	"github.com/wayside-edge/wayside/sdk/client/tus"
)

// resumeBytes is the size of the recording: large enough that it is on its way for a while, whatever the machine.
const resumeBytes = 256 << 20

// recordingFile writes a recording that no decoder knows and gives its path and SHA-256.
func recordingFile(t *testing.T, size int) (path, sum string) {
	t.Helper()
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{7}).Read(data) // it always succeeds
	path = filepath.Join(t.TempDir(), "large.bin")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(data)
	return path, hex.EncodeToString(digest[:])
}

// arrived waits until the only unfinished upload has more than so many bytes, and gives how many.
func (a *appliance) arrived(t *testing.T, more int64) int64 {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if n := a.partial(); n > more {
			return n
		}
	}
	t.Fatalf("no upload comes to %d bytes\n%s", more, a.log.tail())
	return 0
}

// partial gives the size of the only unfinished upload.
func (a *appliance) partial() (n int64) {
	files, _ := filepath.Glob(filepath.Join(a.dir, "uploads", "u*"))
	for _, f := range files {
		if st, err := os.Stat(f); err == nil {
			n = max(n, st.Size())
		}
	}
	return n
}

// TestCommandLineResumes kills the command line, and then the appliance, in the middle of an upload: it goes on, and the
// recording is there once.
func TestCommandLineResumes(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	path, sum := recordingFile(t, resumeBytes)
	a := start(t, dir)
	host := strings.TrimPrefix(a.url, "http://")
	upload := func() (*exec.Cmd, *bytes.Buffer, *bytes.Buffer) {
		cmd := exec.Command(built(t), "upload", path, "--resume", "--tries", "20")
		cmd.Env = append(os.Environ(), "WAYSIDE_SERVER="+a.url, "XDG_CACHE_HOME="+cache)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		return cmd, &out, &errs
	}
	cmd, _, _ := upload()
	had := a.arrived(t, resumeBytes/16)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the upload came to its end before it was killed")
	}
	cmd, out, errs := upload()
	a.arrived(t, had+resumeBytes/16)
	a.kill()
	a = start(t, dir, "--listen", host)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v\n%s%s\n%s", err, out, errs, a.log.tail())
	}
	if !strings.Contains(errs.String(), "again in") || !strings.Contains(errs.String(), "went on at") {
		t.Errorf("it was not told what happened: %s", errs)
	}
	files := list[File](a, "/api/v1/files")
	if len(files) != 1 || files[0].SHA256 != sum || files[0].Source != "tus" || !strings.Contains(out.String(), files[0].ID) {
		t.Errorf("files %+v, told %s", files, out)
	}
	if n := a.partial(); n != 0 {
		t.Errorf("%d bytes are left", n)
	}
}

// TestClientResumes uploads by the Go client, whose first call is given up in the middle.
func TestClientResumes(t *testing.T) {
	path, sum := recordingFile(t, resumeBytes/4)
	a := start(t, t.TempDir())
	c, err := client.New(client.Config{Server: a.url})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	up := client.ResumableUpload{Name: "a.bin", Body: f, Size: resumeBytes / 4, SHA256: sum, Store: tus.Dir(t.TempDir())}
	ctx, cancel := context.WithCancel(t.Context())
	up.Progress = func(sent int64) {
		if sent > resumeBytes/16 {
			cancel()
		}
	}
	if _, err := c.UploadResumable(ctx, up); err == nil {
		t.Fatal("not broken off")
	}
	up.Progress = nil
	got, err := c.UploadResumable(t.Context(), up)
	if err != nil || got.File.SHA256 != sum || got.Before == 0 {
		t.Errorf("%+v %v", got, err)
	}
}
