//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wayside-edge/wayside/plugins/rail/railtest"
)

// TestFullDisk fills a small file system until the appliance refuses, checks that reading and finishing go on, makes
// room, and checks that it takes files again by itself.
func TestFullDisk(t *testing.T) {
	for _, tc := range []struct {
		name    string
		reserve int64 // left free by the appliance
		junk    bool  // something else takes the last byte: the kernel refuses, not the guard
	}{
		{"guard", 24 << 20, false},
		{"kernel", 1 << 20, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := smallDisk(t, 96<<20)
			t.Setenv("WAYSIDE_STORE_RESERVE", strconv.FormatInt(tc.reserve, 10))
			a := start(t, dir+"/data")
			first := a.upload("first.RU", railtest.Recording(railtest.Options{Seed: 1, Bytes: 10_000}), "")
			if first.Decode == nil || first.Decode.Status != "done" {
				t.Fatalf("first upload: %+v", first)
			}
			stored := fill(t, a, tc.junk, dir)
			a.get("/api/v1/files", nil)
			a.get("/api/v1/decodes/"+first.Decode.ID+"/tables/records/rows?limit=5", nil)
			for _, id := range stored {
				if status, p, err := a.call(t.Context(), http.MethodDelete, "/api/v1/files/"+id, nil, nil); err != nil || p != nil {
					t.Fatalf("delete on a full disk: %d %+v %v\n%s", status, p, err, a.log.tail())
				}
			}
			if err := os.Remove(dir + "/junk"); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			up := a.upload("after.RU", railtest.Recording(railtest.Options{Seed: 77, Bytes: 10_000}), "")
			if up.Decode == nil || up.Decode.Status != "done" {
				t.Errorf("upload after room was made: %+v\n%s", up, a.log.tail())
			}
			if _, err := a.stop(); err != nil {
				t.Errorf("stop: %v\n%s", err, a.log.tail())
			}
		})
	}
}

// fill uploads until the appliance answers 507, and gives the ids of what it took.
func fill(t *testing.T, a *appliance, junk bool, dir string) []string {
	t.Helper()
	if junk {
		fillWithJunk(t, dir+"/junk", 12<<20)
	}
	var stored []string
	for i := range 200 {
		data := bytes.Repeat([]byte{0xEE, byte(i), 0x01}, 700_000) // 2 MB of nothing known: stored, not decoded
		var up Uploaded
		path := fmt.Sprintf("/api/v1/files?name=big%d.bin", i)
		status, p, err := a.call(t.Context(), http.MethodPost, path, bytes.NewReader(data), &up)
		if err != nil {
			t.Fatalf("upload %d: %v\n%s", i, err, a.log.tail())
		}
		if p != nil {
			if status != http.StatusInsufficientStorage || p.Code != "disk_full" {
				t.Fatalf("upload %d: %d %+v", i, status, p)
			}
			return stored
		}
		stored = append(stored, up.File.ID)
	}
	t.Fatal("the disk never became full")
	return nil
}

// fillWithJunk leaves only so many bytes free.
func fillWithJunk(t *testing.T, path string, leave uint64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	free := st.Bavail * uint64(st.Bsize)
	if free <= leave {
		t.Fatalf("only %d bytes free", free)
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, int64(free-leave)); err != nil {
		t.Fatal(err)
	}
}

// smallDisk mounts a tmpfs. That takes root; without it the test is skipped, and the guard is tested in package
// store with a false disk.
func smallDisk(t *testing.T, size int64) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=700,size="+strconv.FormatInt(size, 10))
	if err != nil {
		t.Skipf("no small disk to be had (it takes the right to mount): %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil && !strings.Contains(err.Error(), "invalid") {
			t.Errorf("unmount: %v", err)
		}
	})
	return dir
}

// TestNoRoomToUnpack: a recording that does not fit onto the disk once it is unpacked waits until there is room, while
// others go on.
func TestNoRoomToUnpack(t *testing.T) {
	dir := smallDisk(t, 128<<20)
	t.Setenv("WAYSIDE_STORE_RESERVE", strconv.FormatInt(24<<20, 10))
	a := start(t, dir+"/data")
	data := railtest.Recording(railtest.Options{Seed: 3, Bytes: 16_000})
	fillWithJunk(t, dir+"/junk", 28<<20)
	var up Uploaded
	big := gzipped(t, bytes.Repeat(data, 1500)) // 24 MB of what compresses well
	if status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?wait=3&name=big.RU.gz", bytes.NewReader(big), &up); err != nil || p != nil {
		t.Fatalf("upload: %d %+v %v\n%s", status, p, err, a.log.tail())
	}
	if up.Decode == nil || up.Decode.Status != "queued" && up.Decode.Status != "running" {
		t.Fatalf("without room: %+v %+v", up.Decode, up.Decode.Error)
	}
	// Unpacking may touch the reserve for a moment before it is given up; others are told so then, and only then.
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		var small Uploaded
		status, p, err := a.call(t.Context(), http.MethodPost, "/api/v1/files?name=small.RU&decode=false", bytes.NewReader(data), &small)
		if err == nil && p == nil && small.File.ID != "" {
			break
		}
		if err != nil || status != http.StatusInsufficientStorage || time.Now().After(deadline) {
			t.Fatalf("meanwhile: %d %+v %v\n%s", status, p, err, a.log.tail())
		}
	}
	if err := os.Remove(dir + "/junk"); err != nil {
		t.Fatal(err)
	}
	if d := a.final(up.Decode.ID); d.Status != "done" || d.Rows == 0 {
		t.Errorf("with room: %+v %+v\n%s", d, d.Error, a.log.tail())
	}
	noScratch(t, a)
}
