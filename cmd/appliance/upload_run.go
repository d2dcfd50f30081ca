package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wayside-edge/wayside/internal/progress"
	"github.com/wayside-edge/wayside/sdk/client"
	"github.com/wayside-edge/wayside/sdk/client/tus"
)

// uploads sends files, several at a time. Its goroutines are those of run, which waits for them.
type uploads struct {
	*root
	client  *client.Client
	flags   uploadFlags
	json    bool
	params  map[string]string
	sources []uploadSource
	screen  *progress.Screen
	state   string // folder where uploads that resume are remembered, "" = nowhere
	pause   func(try int) time.Duration

	results []uploadResult // by index of sources; each is written by the goroutine that has the file
}

// uploadResult is what became of one file.
type uploadResult struct {
	file   client.File
	decode *client.Decode
	again  bool // it was there already
	err    error
}

// run sends all files and says what became of them.
func (u *uploads) run(ctx context.Context) error {
	u.results = make([]uploadResult, len(u.sources))
	stop := u.screen.Start()
	defer func() {
		if stop != nil {
			stop()
		}
	}()
	var g errgroup.Group
	g.SetLimit(u.flags.parallel)
	for i := range u.sources {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error { return u.one(ctx, i) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("upload: %w", context.Cause(ctx))
	}
	failed := 0
	for i := range u.results {
		if u.results[i].err != nil || (u.flags.wait && u.results[i].decode != nil && u.results[i].decode.Status != "done") {
			failed++
		}
	}
	var err error
	if u.flags.batch != "" {
		err = u.batch(ctx)
	}
	stop()
	stop = nil
	if err != nil {
		return err
	}
	if len(u.sources) > 1 && !u.json {
		if err := u.note(fmt.Sprintf("%d files: %d taken, %d failed\n", len(u.sources), len(u.sources)-u.refused(), failed)); err != nil {
			return err
		}
	}
	if failed > 0 {
		return errReported
	}
	return nil
}

func (u *uploads) refused() (n int) {
	for i := range u.results {
		if u.results[i].file.ID == "" {
			n++
		}
	}
	return n
}

// one sends a file and says what became of it. Its error ends the whole command: nobody reads what is printed.
func (u *uploads) one(ctx context.Context, i int) error {
	res := &u.results[i]
	var before int64
	u.screen.Began(i, u.sources[i].size, u.sources[i].size)
	before, res.err = u.send(ctx, i, res)
	u.screen.Finish(i, u.sources[i].size, before)
	if res.err == nil && u.flags.wait && u.flags.batch == "" && res.decode != nil && !res.decode.Ended() {
		res.err = u.patiently(ctx, i, func() error {
			d, err := u.client.WaitDecode(ctx, res.decode.ID, nil)
			if err == nil {
				res.decode = &d
			}
			return err //nolint:wrapcheck // report names the file
		})
	}
	if ctx.Err() == nil { // else run says it
		return u.report(i)
	}
	return nil
}

// send sends a file, again and again where that may help.
func (u *uploads) send(ctx context.Context, i int, res *uploadResult) (before int64, err error) {
	if u.flags.resume {
		return u.sendResumable(ctx, i, res)
	}
	key := rand.Text()         // the same for all tries: a file that was taken although its answer was lost is not taken twice
	if u.sources[i].size < 0 { // it can be read once
		return 0, u.sendOnce(ctx, i, res, key)
	}
	return 0, u.patiently(ctx, i, func() error { return u.sendOnce(ctx, i, res, key) })
}

// patiently does something for a file, again and again where that may help.
func (u *uploads) patiently(ctx context.Context, i int, do func() error) error {
	for try := 0; ; try++ {
		err := do()
		if err == nil || ctx.Err() != nil || !again(err) || try+1 == u.flags.tries {
			return err
		}
		if err := u.rest(ctx, i, err, u.pause(try)); err != nil {
			return err
		}
	}
}

// again reports a failure that may pass.
func again(err error) bool {
	if errors.Is(err, errSource) {
		return false
	}
	e, answered := errors.AsType[*client.Error](err)
	if !answered {
		return true
	}
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable || e.Status == http.StatusBadGateway || e.Status == http.StatusGatewayTimeout
}

// rest waits before the next try, and says why.
func (u *uploads) rest(ctx context.Context, i int, reason error, d time.Duration) error {
	if e, ok := errors.AsType[*client.Error](reason); ok {
		d = max(d, min(e.RetryAfter, time.Minute))
	}
	if err := u.screen.Note(fmt.Sprintf("%s: %s; again in %s\n", printable(u.sources[i].path), printable(reason.Error()), d.Round(time.Second))); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("upload: %w", context.Cause(ctx))
	case <-time.After(d):
		return nil
	}
}

// errSource reports a file that cannot be read, which no second try changes.
var errSource = errors.New("read file")

// counted reads a file on its way, tells its errors from the network's, and counts.
type counted struct {
	r    io.Reader
	n    int64
	sent func(int64)
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	if n > 0 {
		c.sent(c.n)
	}
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err //nolint:wrapcheck // io.EOF has to stay what it is
}

func (u *uploads) sendOnce(ctx context.Context, i int, res *uploadResult, key string) error {
	src := u.sources[i]
	in := u.std.in
	if src.path != "-" {
		f, err := os.Open(src.path)
		if err != nil {
			return fmt.Errorf("%w: %w", errSource, err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	body := &counted{r: in, sent: func(n int64) { u.screen.Moved(i, n) }}
	a, err := u.client.Upload(ctx, client.Upload{
		Name: src.name, Body: body, Size: src.size, Decoder: u.flags.decoder, Params: u.params,
		Store: u.flags.noDecode || u.flags.batch != "", Force: u.flags.force, Key: key,
	})
	if err != nil {
		if body.err != nil {
			return fmt.Errorf("%w: %w", errSource, body.err)
		}
		return err //nolint:wrapcheck // report names the file
	}
	res.file, res.decode, res.again = a.File, a.Decode, a.Existing
	return nil
}

// sendResumable sends a file by tus.
func (u *uploads) sendResumable(ctx context.Context, i int, res *uploadResult) (before int64, err error) {
	src := u.sources[i]
	f, err := os.Open(src.path)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errSource, err)
	}
	defer func() { _ = f.Close() }()
	if src.size < 0 {
		return 0, fmt.Errorf("%w: only regular files can be sent with --resume", errSource)
	}
	sum, err := hashFile(ctx, f)
	if err != nil {
		return 0, err
	}
	up := client.ResumableUpload{
		Name: src.name, Body: f, Size: src.size, SHA256: sum, Decoder: u.flags.decoder, Params: u.params,
		Progress: func(n int64) { u.screen.Moved(i, n) }, Pause: u.pause, Tries: u.flags.tries,
		Paused: func(reason error, d time.Duration) {
			// A note that cannot be written is no reason to end an upload.
			_ = u.screen.Note(fmt.Sprintf("%s: %s; again in %s\n", printable(src.path), printable(reason.Error()), d.Round(time.Second)))
		},
	}
	if u.state != "" {
		up.Store = tus.Dir(u.state)
	}
	got, err := u.client.UploadResumable(ctx, up)
	if err != nil {
		return got.Before, err //nolint:wrapcheck // report names the file
	}
	if got.Before > 0 {
		_ = u.screen.Note(fmt.Sprintf("%s: went on at %s\n", printable(src.path), progress.Size(got.Before))) // as above
	}
	res.file = got.File
	if n := len(got.File.Decodes); n > 0 {
		d, err := u.client.Decode(ctx, got.File.Decodes[n-1], 0)
		if err != nil {
			return got.Before, err //nolint:wrapcheck // as above
		}
		res.decode = &d
	}
	return got.Before, nil
}

// hashFile gives the SHA-256 of a file, unless ctx ends before.
func hashFile(ctx context.Context, f *os.File) (string, error) {
	sum := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		if ctx.Err() != nil {
			return "", fmt.Errorf("hash file: %w", context.Cause(ctx))
		}
		n, err := f.Read(buf)
		sum.Write(buf[:n])
		if errors.Is(err, io.EOF) {
			return hex.EncodeToString(sum.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("%w: %w", errSource, err)
		}
	}
}

// report says what became of a file.
func (u *uploads) report(i int) error {
	res, path := &u.results[i], u.sources[i].path
	if u.json {
		if u.flags.batch != "" && res.err == nil {
			return nil // the batch says it
		}
		return u.reportJSON(res, path)
	}
	if res.err != nil {
		return u.screen.Note(fmt.Sprintf("wayside: %s: %s\n", printable(path), printable(remedy(res.err).Error())))
	}
	line := fmt.Sprintf("%s: %s", printable(path), res.file.ID)
	if res.again {
		line += ", was there already"
	}
	if d := res.decode; d != nil {
		line += fmt.Sprintf(", decode %s %s", d.ID, d.Status)
		if d.Ended() {
			line += ", " + progress.Count(d.Rows) + " rows"
		}
		if d.Error != nil {
			line += ": " + printable(failureText(d.Error))
		}
	}
	return u.screen.Print(line + "\n")
}

// reportJSON says it for programs: one line a file.
func (u *uploads) reportJSON(res *uploadResult, path string) error {
	doc := map[string]any{}
	if res.err != nil {
		fault := map[string]any{"code": "", "message": res.err.Error()}
		if e, ok := errors.AsType[*client.Error](res.err); ok {
			fault = map[string]any{"code": e.Code, "message": e.Detail, "status": e.Status, "request_id": e.RequestID}
		}
		doc["path"], doc["error"] = path, fault
	} else {
		doc["file"], doc["decode"] = res.file.Raw, json.RawMessage("null")
		if res.decode != nil {
			doc["decode"] = res.decode.Raw
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return u.screen.Print(string(b) + "\n")
}

// batch makes one batch of what was taken.
func (u *uploads) batch(ctx context.Context) error {
	n := client.NewBatch{Name: u.flags.batch, Decoder: u.flags.decoder, Params: anyParams(u.params), Combine: u.flags.combine}
	for i := range u.results {
		id := u.results[i].file.ID
		if id != "" && !slices.Contains(n.FileIDs, id) { // the same bytes under the same name are one file
			n.FileIDs = append(n.FileIDs, id)
		}
	}
	if len(n.FileIDs) == 0 {
		return errReported
	}
	b, err := u.client.CreateBatch(ctx, n, rand.Text())
	if err == nil && u.flags.wait {
		id := b.ID
		err = u.patiently(ctx, 0, func() (err error) {
			b, err = u.client.WaitBatch(ctx, id, func(b *client.Batch) {
				u.screen.Say(fmt.Sprintf("decoded %d of %d", b.Successful+b.Failed, b.Total))
			})
			return err //nolint:wrapcheck // said below
		})
	}
	if err != nil {
		return fmt.Errorf("batch %s: %w", u.flags.batch, err)
	}
	if u.json {
		err = u.screen.Print(string(b.Raw) + "\n")
	} else {
		err = u.screen.Print("batch " + batchLine(&b))
	}
	if err == nil && b.Failed > 0 {
		err = errReported
	}
	return err
}
