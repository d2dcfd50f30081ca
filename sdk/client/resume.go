package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/sdk/client/tus"
)

// ResumableUpload is a recording that is sent so that a later call can go on where this one was broken off.
type ResumableUpload struct {
	Name    string // file name
	Body    io.ReaderAt
	Size    int64
	SHA256  string // of Body: it finds the file afterwards, and the upload that was begun
	Decoder string
	Params  map[string]string

	Store    tus.Store                               // where uploads are remembered; nil = within this call only
	Progress func(sent int64)                        // may be nil
	Paused   func(reason error, pause time.Duration) // may be nil: called before a pause
	Pause    func(try int) (pause time.Duration)     // nil = 0.5 s, doubling to 30 s
	Tries    int                                     // failures in a row before it gives up; 0 = 10
}

// Resumed is what became of a resumable upload.
type Resumed struct {
	File   File
	Before int64 // bytes that were there before the call
}

// lookups is how often a file is looked for that was just sent, and lookupPause how long between.
const (
	lookups     = 20
	lookupPause = 250 * time.Millisecond
)

// fileHeader names the file of an upload that is complete. Of an upload that was complete before, an answer may lack it.
const fileHeader = "X-File-ID"

// ErrNotStored reports an upload that the appliance has taken, but of which no file came.
var ErrNotStored = errors.New("the appliance has taken the upload, but shows no file with these bytes")

// ErrNotResumable reports a server that is none of the tus protocol: none of Wayside, or one behind another address.
var ErrNotResumable = errors.New("takes no uploads that resume (tus 1.0.0)")

// UploadResumable stores a recording by the tus protocol. Lost connections and an appliance that is started again are
// borne; with a Store, a later call with the same bytes, name and parameters goes on where this one ended.
func (c *Client) UploadResumable(ctx context.Context, u ResumableUpload) (out Resumed, err error) {
	header := http.Header{}
	if c.token != "" {
		header.Set("Authorization", "Bearer "+c.token)
	}
	t, err := tus.New(tus.Config{Endpoint: c.base + "/uploads", HTTP: c.http, Header: header, Store: u.Store, Pause: u.Pause, Tries: u.Tries})
	if err != nil {
		return out, fmt.Errorf("upload: %w", err)
	}
	res, err := t.Upload(ctx, tus.Upload{
		Body: u.Body, Size: u.Size, Metadata: u.metadata(), Key: c.uploadKey(&u), Progress: u.Progress, Paused: u.Paused,
	})
	out.Before = res.Resumed
	if e, ok := errors.AsType[*tus.Error](err); ok {
		err := problem(&http.Response{StatusCode: e.Status, Header: e.Header}, e.Body)
		switch e.Status {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
			return out, fmt.Errorf("%s/uploads %w: %w", c.base, ErrNotResumable, err)
		}
		return out, err
	}
	if err != nil {
		return out, err //nolint:wrapcheck // the caller's operation is named by the callers
	}
	if id := res.Header.Get(fileHeader); id != "" {
		out.File, err = c.File(ctx, id)
	} else {
		out.File, err = c.uploaded(ctx, &u)
	}
	if err == nil && out.File.PartCount == 0 && out.File.SHA256 != "" && out.File.SHA256 != u.SHA256 {
		err = fmt.Errorf("the appliance has other bytes than were sent: file %s with SHA-256 %s", out.File.ID, out.File.SHA256)
	}
	return out, err
}

func (u *ResumableUpload) metadata() map[string]string {
	m := map[string]string{"filename": u.Name}
	if u.Decoder != "" {
		m["decoder"] = u.Decoder
	}
	for k, v := range u.Params {
		m["param."+k] = v
	}
	return m
}

// uploadKey stands for these bytes, sent to this appliance with this name and these parameters.
func (c *Client) uploadKey(u *ResumableUpload) string {
	parts := []string{c.base, u.SHA256}
	m := u.metadata()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, k, m[k])
	}
	return strings.Join(parts, "\x00")
}

// uploaded finds the file of an upload: the newest with these bytes, of those that have its name if there are any.
func (c *Client) uploaded(ctx context.Context, u *ResumableUpload) (File, error) {
	for range lookups {
		files, _, err := c.Files(ctx, FileList{SHA256: u.SHA256})
		if err != nil {
			return File{}, err
		}
		if i := slices.IndexFunc(files, func(f File) bool { return f.Name == path.Base(u.Name) && f.Parent == nil }); i >= 0 {
			return files[i], nil
		}
		if i := slices.IndexFunc(files, func(f File) bool { return f.Parent == nil }); i >= 0 {
			return files[i], nil
		}
		select {
		case <-ctx.Done():
			return File{}, fmt.Errorf("look for the file: %w", context.Cause(ctx))
		case <-time.After(lookupPause):
		}
	}
	return File{}, ErrNotStored
}
