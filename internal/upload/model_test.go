package upload

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"pgregory.net/rapid"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/errcode"
)

// modelled is what an upload is to be.
type modelled struct {
	size    int64
	data    []byte
	touched time.Time
	done    string
}

// TestModel runs random sequences of what clients do, of restarts, faults of the disk and time that passes, against a
// model of one map.
func TestModel(t *testing.T) {
	x := setup(t) // one for all sequences: making a data folder takes longer than most of them
	rapid.Check(t, func(r *rapid.T) {
		model := map[string]*modelled{}
		var ids []string
		defer func() {
			for _, id := range ids {
				if err := x.Terminate(t.Context(), id); err != nil && !errors.Is(err, ErrNotFound) {
					r.Error(err)
				}
			}
		}()
		pick := func(r *rapid.T) (string, *modelled) {
			if len(ids) == 0 {
				r.Skip("none yet")
			}
			id := rapid.SampledFrom(ids).Draw(r, "id")
			return id, model[id]
		}
		r.Repeat(map[string]func(*rapid.T){
			"create": func(r *rapid.T) {
				size := rapid.Int64Range(0, 2000).Draw(r, "size")
				id := x.create(size)
				model[id] = &modelled{size: size, touched: x.now}
				ids = append(ids, id)
			},
			"append": func(r *rapid.T) {
				id, m := pick(r)
				offset := int64(0)
				if m != nil {
					offset = int64(len(m.data))
				}
				offset = max(0, offset+rapid.SampledFrom([]int64{0, 0, 0, 0, -1, 1}).Draw(r, "shift"))
				data := rapid.SliceOfN(rapid.Byte(), 0, 1500).Draw(r, "data")
				appendModelled(r, x, id, m, offset, data)
			},
			"finish": func(r *rapid.T) {
				id, m := pick(r)
				refuse := rapid.Bool().Draw(r, "refuse")
				if refuse {
					x.fail = errcode.New(errcode.DiskFull, "no room")
				}
				u, err := x.Finish(t.Context(), id)
				x.fail = nil
				switch {
				case m == nil:
					wantCode(r, "finish", err, errcode.NotFound)
				case m.done != "":
					if err != nil || u.Done.FileID != m.done {
						r.Errorf("finished again: %+v %v", u, err)
					}
				case int64(len(m.data)) < m.size:
					wantCode(r, "finish", err, errcode.Conflict)
				case refuse:
					wantCode(r, "finish", err, errcode.DiskFull)
				case err != nil || u.Done == nil:
					r.Errorf("not finished: %+v %v", u, err)
				default:
					m.done, m.touched = u.Done.FileID, x.now
				}
			},
			"terminate": func(r *rapid.T) {
				id, m := pick(r)
				err := x.Terminate(t.Context(), id)
				if m == nil {
					wantCode(r, "terminate", err, errcode.NotFound)
				} else if err != nil {
					r.Error(err)
				}
				delete(model, id)
			},
			"restart": func(r *rapid.T) {
				if rapid.IntRange(0, 4).Draw(r, "seldom") > 0 {
					r.Skip("it takes longer than all else")
				}
				x.restart()
			},
			"sweep": func(r *rapid.T) {
				x.now = x.now.Add(time.Duration(rapid.IntRange(0, 20).Draw(r, "hours")) * time.Hour)
				x.sweep(t.Context())
				for id, m := range model {
					switch {
					case !x.now.Before(m.touched.Add(24 * time.Hour)):
						delete(model, id)
					case m.done == "" && int64(len(m.data)) == m.size:
						u, err := x.Get(t.Context(), id)
						if err != nil || u.Done == nil {
							r.Fatalf("%s was not finished: %+v %v", id, u, err)
						}
						m.done, m.touched = u.Done.FileID, x.now
					}
				}
			},
			"": func(r *rapid.T) { compare(r, x, ids, model) },
		})
	})
}

// appendModelled appends as one of several clients: one that sends all, one whose connection breaks, one on a bad disk.
func appendModelled(r *rapid.T, x *fixture, id string, m *modelled, offset int64, data []byte) {
	how := rapid.SampledFrom([]string{"whole", "cut", "no flush"}).Draw(r, "how")
	body := io.Reader(bytes.NewReader(data))
	switch how {
	case "cut":
		body = io.MultiReader(body, iotest.ErrReader(errors.New("gone")))
	case "no flush":
		x.fault.Fail(disk.OpSync, 0, -1, syscall.EIO)
	}
	u, err := x.Append(x.Context(), id, offset, body, nil)
	x.fault.Heal()
	switch {
	case m == nil:
		wantCode(r, "append", err, errcode.NotFound)
	case m.done != "" || offset != int64(len(m.data)):
		wantCode(r, "append", err, errcode.Conflict)
	case offset == m.size && len(data) == 0:
		if err != nil {
			r.Errorf("nothing appended to a complete upload: %v", err)
		}
	case offset+int64(len(data)) > m.size:
		wantCode(r, "append beyond the end", err, errcode.TooLarge)
	case len(data) > 0 && how == "no flush":
		if err == nil || u.Offset != offset {
			r.Errorf("without a flush: %+v %v", u, err)
		}
	case (err != nil) != (how == "cut") || u.Offset != offset+int64(len(data)):
		r.Errorf("appended %d bytes at %d: %+v %v", len(data), offset, u, err)
	case len(data) > 0:
		m.data = append(m.data, data...)
		m.touched = x.now
	}
}

func compare(r *rapid.T, x *fixture, ids []string, model map[string]*modelled) {
	files := 0
	var bytesLeft int64
	for _, id := range ids {
		u, err := x.Get(x.Context(), id)
		m := model[id]
		if m == nil {
			wantCode(r, "get "+id, err, errcode.NotFound)
			continue
		}
		if err != nil || u.Offset != int64(len(m.data)) || (u.Done != nil) != (m.done != "") {
			r.Fatalf("%s is %+v %v, want %d bytes, done %q", id, u, err, len(m.data), m.done)
		}
		if m.done == "" {
			files++
			bytesLeft += m.size
			continue
		}
		sum := sha256.Sum256(m.data)
		if got := x.files[m.done]; got != hex.EncodeToString(sum[:]) {
			r.Errorf("file of %s has other bytes", id)
		}
	}
	if x.count != files || x.bytes != bytesLeft {
		r.Errorf("%d uploads of %d bytes are counted, there are %d of %d", x.count, x.bytes, files, bytesLeft)
	}
	for _, path := range x.left() {
		id, ok := bytes.CutPrefix([]byte(path), []byte("uploads/"))
		if m := model[string(id)]; ok && (m == nil || m.done != "") {
			r.Errorf("file of no unfinished upload: %s", path)
		}
	}
}
