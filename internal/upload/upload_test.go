package upload

import (
	"bytes"
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/blob"
	"github.com/wayside-edge/wayside/internal/catalog"
	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/ingest"
	"github.com/wayside-edge/wayside/internal/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fixture is a data folder that can be opened again and again.
type fixture struct {
	testing.TB
	dir   string
	fault *disk.Fault
	cfg   Config
	now   time.Time
	spare int64

	joined []string // "batch file decode"
	join   error    // of the next JoinUpload

	db    *store.DB
	blobs *blob.Dir
	*Uploads

	mu    sync.Mutex
	files map[string]string // by id: digest
	fail  error             // of the next AcceptBlob, before its commit
	doubt error             // of the next AcceptBlob, after its commit
}

func setup(tb testing.TB) *fixture {
	tb.Helper()
	x := &fixture{
		TB: tb, dir: tb.TempDir(), fault: disk.NewFault(disk.OS), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), spare: 1 << 40,
		files: map[string]string{},
	}
	x.open()
	tb.Cleanup(x.close)
	return x
}

func (x *fixture) open() {
	x.Helper()
	var err error
	if x.db, err = store.Open(x.Context(), store.Config{Dir: x.dir + "/db", Reserve: 1, Ballast: -1}); err != nil {
		x.Fatal(err)
	}
	if x.blobs, err = blob.Open(blob.Config{Dir: x.dir + "/blobs", TempDir: x.dir + "/tmp", FS: x.fault}); err != nil {
		x.Fatal(err)
	}
	c := x.cfg
	c.DB, c.Blobs, c.Accepter, c.Batches, c.Guard, c.Dir, c.FS, c.Now = x.db, x.blobs, x, x, x, x.dir+"/uploads", x.fault, func() time.Time { return x.now }
	if x.Uploads, err = Open(x.Context(), c); err != nil {
		x.Fatal(err)
	}
}

func (x *fixture) close() {
	if err := x.db.Close(); err != nil {
		x.Error(err)
	}
}

func (x *fixture) restart() {
	x.Helper()
	x.close()
	x.open()
}

func (x *fixture) Spare() (int64, error) { return x.spare, nil }

func (x *fixture) Capacity() (int64, error) { return 1 << 40, nil }

func (x *fixture) Check(u ingest.Upload) error {
	if u.Decoder == "nobody" {
		return errcode.Invalid("decoder", "no such decoder")
	}
	return nil
}

// AcceptBlob makes a file, as ingest does: one commit for it and what the caller stages.
func (x *fixture) AcceptBlob(ctx context.Context, u ingest.Upload, b blob.Blob) (ingest.Accepted, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.fail; err != nil {
		x.fail = nil
		return ingest.Accepted{}, err
	}
	a := ingest.Accepted{File: catalog.File{ID: fmt.Sprintf("f%d", len(x.files)+1), SHA256: b.SHA256}, Decode: &catalog.Decode{ID: "d1"}}
	if !u.Decode {
		a.Decode = nil
	}
	batch := x.db.Batch()
	if err := u.Also(a)(batch); err != nil {
		return a, err
	}
	batch.OnCommit(func() { x.files[a.File.ID] = b.SHA256 })
	if err := x.db.Commit(context.WithoutCancel(ctx), batch); err != nil { // x.mu is held until files has it
		return a, err
	}
	err := x.doubt
	x.doubt = nil
	return a, err
}

// JoinUpload is the batches'.
func (x *fixture) JoinUpload(_ context.Context, batch, file, decode string, existing bool) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.join; err != nil {
		x.join = nil
		return err
	}
	x.joined = append(x.joined, fmt.Sprint(batch, file, decode, existing))
	return nil
}

func (x *fixture) Drop(ctx context.Context, sha string) error {
	return x.blobs.Remove(ctx, sha)
}

func (x *fixture) create(size int64) string {
	x.Helper()
	u, err := x.Create(x.Context(), New{Size: size, Name: "a.bin"})
	if err != nil {
		x.Fatal(err)
	}
	return u.ID
}

func (x *fixture) add(id string, offset int64, data string) Upload {
	x.Helper()
	u, err := x.Append(x.Context(), id, offset, strings.NewReader(data), nil)
	if err != nil {
		x.Fatal(err)
	}
	return u
}

// left lists the files of unfinished uploads and the blobs.
func (x *fixture) left() []string {
	x.Helper()
	var out []string
	for _, dir := range []string{"uploads", "blobs", "tmp"} {
		err := filepath.WalkDir(filepath.Join(x.dir, dir), func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				out = append(out, strings.TrimPrefix(path, x.dir+"/"))
			}
			return err
		})
		if err != nil {
			x.Fatal(err)
		}
	}
	return out
}

// reporter is a test, or a check of a property.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
}

func wantCode(tb reporter, what string, err error, code errcode.Code) {
	tb.Helper()
	if err == nil || errcode.Of(err) != code {
		tb.Errorf("%s: %v, want %s", what, err, code)
	}
}

func TestUploadBecomesOneFile(t *testing.T) {
	x := setup(t)
	id := x.create(11)
	if u := x.add(id, 0, "hello "); u.Offset != 6 || u.Done != nil {
		t.Fatalf("%+v", u)
	}
	_, err := x.Finish(t.Context(), id)
	wantCode(t, "finished too early", err, errcode.Conflict)
	_, err = x.Append(t.Context(), id, 0, strings.NewReader("x"), nil)
	wantCode(t, "wrong offset", err, errcode.Conflict)
	x.restart()
	x.add(id, 6, "world")
	u, err := x.Finish(t.Context(), id)
	if err != nil || u.Done == nil || u.Done.FileID != "f1" || u.Done.DecodeID != "d1" {
		t.Fatalf("%+v %v", u, err)
	}
	x.restart()
	for range 2 {
		if u, err = x.Finish(t.Context(), id); err != nil || u.Done.FileID != "f1" {
			t.Errorf("again: %+v %v", u, err)
		}
	}
	_, err = x.Append(t.Context(), id, 11, strings.NewReader("x"), nil)
	wantCode(t, "after the end", err, errcode.Conflict)
	if len(x.files) != 1 || len(x.left()) != 1 {
		t.Errorf("files %v, left %v", x.files, x.left())
	}
	if err := x.Terminate(t.Context(), id); err != nil || len(x.left()) != 1 {
		t.Errorf("ended: %v, left %v", err, x.left())
	}
	_, err = x.Get(t.Context(), id)
	wantCode(t, "after it was ended", err, errcode.NotFound)
}

// TestStoreOnly: what is to be stored only has no decode, also when the process ended in between.
func TestStoreOnly(t *testing.T) {
	x := setup(t)
	u, err := x.Create(t.Context(), New{Size: 3, Name: "day.zip", StoreOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	x.restart()
	x.add(u.ID, 0, "zip")
	if u, err = x.Finish(t.Context(), u.ID); err != nil || u.Done == nil || u.Done.FileID != "f1" || u.Done.DecodeID != "" {
		t.Errorf("%+v %v", u, err)
	}
}

func TestEmptyUpload(t *testing.T) {
	x := setup(t)
	id := x.create(0)
	if u, err := x.Finish(t.Context(), id); err != nil || u.Done == nil {
		t.Errorf("%+v %v", u, err)
	}
}

// TestKilledWhileFinishing ends the process at each step between the last byte and the record.
func TestKilledWhileFinishing(t *testing.T) {
	for name, damage := range map[string]func(x *fixture){
		"before the bytes are a blob": func(x *fixture) { x.fault.Fail(disk.OpRename, 0, 1, syscall.EIO) },
		"before the commit":           func(x *fixture) { x.fail = errcode.New(errcode.DiskFull, "no room") },
		"after the commit":            func(x *fixture) { x.doubt = errors.New("killed") },
	} {
		t.Run(name, func(t *testing.T) {
			x := setup(t)
			id := x.create(5)
			x.add(id, 0, "bytes")
			damage(x)
			if _, err := x.Finish(t.Context(), id); err == nil {
				t.Fatal("finished")
			}
			x.restart()
			if err := sweepBlobs(x); err != nil { // what runs at every start
				t.Fatal(err)
			}
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error)
			go func() { done <- x.Run(ctx) }()
			for {
				u, err := x.Get(t.Context(), id)
				if err != nil {
					t.Fatal(err)
				}
				x.mu.Lock()
				there := u.Done != nil && len(x.files) > 0 // the record can be read before those who wait are told
				x.mu.Unlock()
				if there {
					break
				}
				time.Sleep(time.Millisecond) // Run has no signal; the test ends when it has done its work
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if len(x.files) != 1 || x.files["f1"] != "277089d91c0bdf4f2e6862ba7e4a07605119431f5d13f726dd352b06f1b206a9" {
				t.Errorf("files %v", x.files)
			}
			if got := x.left(); len(got) != 1 {
				t.Errorf("left %v", got)
			}
		})
	}
}

// sweepBlobs removes blobs that no file has, as ingest does.
func sweepBlobs(x *fixture) error {
	return x.blobs.Walk(x.Context(), func(sha string, _ int64, _ time.Time) error {
		_, err := x.blobs.RemoveIf(x.Context(), sha, func() (bool, error) {
			for _, have := range x.files {
				if have == sha {
					return false, nil
				}
			}
			return true, nil
		})
		if errors.Is(err, blob.ErrHeld) {
			return nil
		}
		return err
	})
}

func TestRefusedUploadKeepsItsBytesUntilItExpires(t *testing.T) {
	x := setup(t)
	id := x.create(5)
	x.add(id, 0, "bytes")
	for range 3 {
		x.fail = errcode.Invalid("param.x", "is wrong")
		_, err := x.Finish(t.Context(), id)
		wantCode(t, "finish", err, errcode.ValidationFailed)
	}
	x.sweep(t.Context()) // does not try again what cannot succeed
	if u, err := x.Get(t.Context(), id); err != nil || u.Done != nil {
		t.Fatalf("%+v %v", u, err)
	}
	x.now = x.now.Add(25 * time.Hour)
	x.sweep(t.Context())
	if _, err := x.Get(t.Context(), id); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if got := x.left(); len(got) != 0 || x.count != 0 || x.bytes != 0 {
		t.Errorf("left %v, %d uploads with %d bytes", got, x.count, x.bytes)
	}
}

func TestFullDiskGoesOnByItself(t *testing.T) {
	x := setup(t)
	id := x.create(5)
	x.fault.Budget(0)
	u, err := x.Append(t.Context(), id, 0, strings.NewReader("bytes"), nil)
	wantCode(t, "append", err, errcode.DiskFull)
	if u.Offset != 0 {
		t.Errorf("offset %d", u.Offset)
	}
	x.fault.Heal()
	x.add(id, 0, "bytes")
	x.fail = errcode.New(errcode.DiskFull, "no room")
	_, err = x.Finish(t.Context(), id)
	wantCode(t, "finish", err, errcode.DiskFull)
	x.sweep(t.Context())
	if u, err := x.Get(t.Context(), id); err != nil || u.Done == nil {
		t.Errorf("%+v %v", u, err)
	}
	x.spare = 4
	_, err = x.Create(t.Context(), New{Size: 5})
	wantCode(t, "create", err, errcode.DiskFull)
	_, err = x.Create(t.Context(), New{Size: 1<<40 + 1})
	wantCode(t, "more than the disk has at all", err, errcode.TooLarge)
}

func TestLimits(t *testing.T) {
	x := setup(t)
	x.cfg = Config{MaxCount: 2, MaxBytes: 100, MaxUpload: 80}
	x.restart()
	_, err := x.Create(t.Context(), New{Size: 81})
	wantCode(t, "size", err, errcode.TooLarge)
	_, err = x.Create(t.Context(), New{Size: 1, Decoder: "nobody"})
	wantCode(t, "decoder", err, errcode.ValidationFailed)
	one := x.create(60)
	_, err = x.Create(t.Context(), New{Size: 41})
	wantCode(t, "bytes", err, errcode.Unavailable)
	x.create(40)
	x.restart()
	_, err = x.Create(t.Context(), New{Size: 0})
	wantCode(t, "count", err, errcode.Unavailable)
	if err := x.Terminate(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	x.create(60)
}

// TestClockThatIsSet: the time until an upload expires is measured, not read off a clock that may be set meanwhile.
func TestClockThatIsSet(t *testing.T) {
	x := setup(t)
	x.now = time.Now()
	id := x.create(10)
	measured := func(when string) {
		t.Helper()
		if at := x.entries[id].expires.String(); !strings.Contains(at, " m=") {
			t.Errorf("%s the expiry has no reading of the monotonic clock", when)
		}
	}
	measured("when it has begun")
	x.add(id, 0, "0123456789")
	measured("after a piece")
	if _, err := x.Finish(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	measured("at the end")
}

// TestJoinsItsBatch: the file of an upload joins the batch that was named, at once or when what is in the way has passed; where
// there is no such batch any more the file stays alone.
func TestJoinsItsBatch(t *testing.T) {
	x := setup(t)
	finish := func() string {
		t.Helper()
		u, err := x.Create(t.Context(), New{Size: 5, Name: "a.bin", Batch: "b1"})
		if err != nil {
			t.Fatal(err)
		}
		x.add(u.ID, 0, "bytes")
		if u, err = x.Finish(t.Context(), u.ID); err != nil || u.Done == nil {
			t.Fatalf("%+v %v", u, err)
		}
		return u.ID
	}
	want := func(what, id, batch string, joining bool, joined int) {
		t.Helper()
		u, err := x.Get(t.Context(), id)
		if err != nil || u.Done.BatchID != batch || u.Done.Joining != joining || len(x.joined) != joined {
			t.Errorf("%s: %+v %v, joined %v", what, u.Done, err, x.joined)
		}
	}
	id := finish()
	want("at once", id, "b1", false, 1)
	x.sweep(t.Context())
	want("once", id, "b1", false, 1)
	x.join = errcode.New(errcode.DiskFull, "no room")
	id = finish()
	want("no room", id, "", true, 1)
	x.restart()
	x.join = errcode.New(errcode.DiskFull, "no room")
	x.sweep(t.Context())
	want("still no room", id, "", true, 1)
	x.restart()
	x.sweep(t.Context())
	want("room", id, "b1", false, 2)
	x.join = errcode.New(errcode.NotFound, "there is no such batch")
	id = finish()
	want("no batch", id, "", false, 2)
	x.sweep(t.Context())
	want("for good", id, "", false, 2)
}

func TestExpiry(t *testing.T) {
	x := setup(t)
	old, young := x.create(10), x.create(10)
	x.add(old, 0, "bytes")
	x.now = x.now.Add(23 * time.Hour)
	x.add(young, 0, "bytes")
	x.now = x.now.Add(2 * time.Hour)
	x.restart()
	x.sweep(t.Context())
	if _, err := x.Get(t.Context(), old); !errors.Is(err, ErrNotFound) {
		t.Errorf("old: %v", err)
	}
	if _, err := x.Get(t.Context(), young); err != nil {
		t.Errorf("young: %v", err)
	}
	if got := x.left(); !slices.Equal(got, []string{"uploads/" + young}) {
		t.Errorf("left %v", got)
	}
}

func TestStraysAndDamageAreRemovedAtStart(t *testing.T) {
	x := setup(t)
	id := x.create(10)
	x.add(id, 0, "bytes")
	gone := x.create(10)
	x.add(gone, 0, "bytes")
	b := x.db.Batch()
	b.Set(x.space, []byte(gone), []byte("no record"))
	if err := errors.Join(x.db.Commit(t.Context(), b), os.WriteFile(x.dir+"/uploads/stray", nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	x.restart()
	if got := x.left(); !slices.Equal(got, []string{"uploads/" + id}) {
		t.Errorf("left %v", got)
	}
	if err := os.Truncate(x.dir+"/uploads/"+id, 3); err != nil {
		t.Fatal(err)
	}
	_, err := x.Append(t.Context(), id, 5, strings.NewReader("bytes"), nil)
	wantCode(t, "bytes are gone", err, errcode.NotFound)
	_, err = x.Get(t.Context(), id)
	wantCode(t, "ended", err, errcode.NotFound)
}

func TestChecksum(t *testing.T) {
	x := setup(t)
	id := x.create(10)
	sum := sha1.Sum([]byte("bytes"))
	check := func(whole error) *Check {
		return &Check{Hash: sha1.New(), Want: sum[:], Whole: func() error { return whole }}
	}
	_, err := x.Append(t.Context(), id, 0, strings.NewReader("other"), check(nil))
	if !errors.Is(err, ErrChecksum) {
		t.Errorf("wrong sum: %v", err)
	}
	cut := errcode.New(errcode.Malformed, "cut off")
	if _, err = x.Append(t.Context(), id, 0, strings.NewReader("bytes"), check(cut)); !errors.Is(err, cut) {
		t.Errorf("cut off: %v", err)
	}
	u, err := x.Append(t.Context(), id, 0, strings.NewReader("bytes"), check(nil))
	if err != nil || u.Offset != 5 {
		t.Errorf("right sum: %+v %v", u, err)
	}
}

// TestCallerWhoIsGone: what came before the connection broke counts, though the request's context has ended.
func TestCallerWhoIsGone(t *testing.T) {
	x := setup(t)
	id := x.create(10)
	ctx, cancel := context.WithCancel(t.Context())
	body := io.MultiReader(strings.NewReader("bytes"), readerFunc(func([]byte) (int, error) { cancel(); return 0, context.Canceled }))
	u, err := x.Append(ctx, id, 0, iotest.OneByteReader(body), nil)
	if err == nil || u.Offset != 5 {
		t.Fatalf("%+v %v", u, err)
	}
	x.restart()
	if u, err := x.Get(t.Context(), id); err != nil || u.Offset != 5 {
		t.Errorf("%+v %v", u, err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestTwoAtOnce(t *testing.T) {
	x := setup(t)
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	id := x.create(int64(len(want)))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				u, err := x.Get(t.Context(), id)
				if err != nil || u.Done != nil {
					return
				}
				if u.Complete() {
					_, _ = x.Finish(t.Context(), id)
					continue
				}
				end := min(u.Offset+70_001, u.Size)
				_, _ = x.Append(t.Context(), id, u.Offset, bytes.NewReader(want[u.Offset:end]), nil) // another may have been faster
			}
		})
	}
	wg.Wait()
	if len(x.files) != 1 {
		t.Fatalf("files %v", x.files)
	}
	got, err := os.ReadFile(x.dir + "/" + x.left()[0])
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("other bytes: %d, %v", len(got), err)
	}
}
