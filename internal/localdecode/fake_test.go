package localdecode

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime"
	"github.com/wayside-edge/wayside/internal/table"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// linesSchema is the table of the fake decoder: one row a line.
func linesSchema() *table.Schema {
	return &table.Schema{Name: "lines", Columns: []table.Column{
		{Name: "seq", Type: table.I64},
		{Name: "length", Type: table.U32, Unit: "By"},
		{Name: "text", Type: table.UTF8},
	}}
}

func emptySchema() *table.Schema {
	return &table.Schema{Name: "empty", Columns: []table.Column{{Name: "seq", Type: table.I64}}}
}

// fake is a registry and a pool with one decoder, "lines": files that begin with "LINES" have one row a line after
// that, and the first eight bytes of it order the files of a recording; lines of capitals make it misbehave.
type fake struct {
	compiling *atomic.Bool          // true: its formats are not known until somebody waits
	stall     chan struct{}         // STALL waits for it
	seen      func(runtime.Request) // gets every request; nil = nobody looks
	formats   []runtime.Format      // more of the decoder
}

func (f fake) plugin() runtime.Plugin {
	p := runtime.Plugin{
		ID: "lines", Version: "1.2.3", SHA256: strings.Repeat("ab", 32), State: runtime.Active,
		Formats: []runtime.Format{{ID: "line-log", Extensions: []string{".lines"}, Sequence: &runtime.Sequence{At: 6, Length: 8}}},
		Tables:  []*table.Schema{linesSchema(), emptySchema()},
	}
	p.Formats = append(p.Formats, f.formats...)
	if f.hidden() {
		p.State, p.Version, p.Formats, p.Tables = runtime.Compiling, "", nil, nil
	}
	return p
}

func (f fake) hidden() bool { return f.compiling != nil && f.compiling.Load() }

func (f fake) Detect(_ context.Context, head []byte, _ int64, name string) (runtime.Detection, bool) {
	if f.hidden() {
		return runtime.Detection{}, false
	}
	if strings.HasSuffix(name, ".named") {
		return runtime.Detection{Format: "line-log", Decoder: "lines", Confidence: 0.3, ByName: true}, true
	}
	d := runtime.Detection{Format: "line-log", Decoder: "lines", Confidence: 0.9}
	if strings.HasSuffix(name, ".lines") {
		d.Confidence = 1
	}
	d.Candidates = []runtime.Candidate{{Format: d.Format, Decoder: d.Decoder, Confidence: d.Confidence}}
	return d, strings.HasPrefix(string(head), "LINES")
}

func (f fake) Get(id string) (runtime.Plugin, bool) {
	return f.plugin(), id == "lines" || id == "line-log"
}

func (f fake) Plugins() []runtime.Plugin { return []runtime.Plugin{f.plugin()} }

func (fake) Params(_ string, given map[string]string) (json.RawMessage, error) {
	for k := range given {
		if k != "reveal" {
			return nil, errcode.Invalid(k, "no such parameter")
		}
	}
	return json.Marshal(map[string]bool{"reveal": given["reveal"] == "true"})
}

func (f fake) Wait(_ context.Context, sha string) error {
	if sha != f.plugin().SHA256 {
		return errcode.New(errcode.NotFound, "no such plugin version")
	}
	if f.compiling != nil {
		f.compiling.Store(false)
	}
	return nil
}

func (f fake) Decode(ctx context.Context, req runtime.Request) (runtime.Result, error) {
	res := runtime.Result{Status: runtime.Done, Duration: time.Millisecond}
	if f.seen != nil {
		f.seen(req)
	}
	var lines []string
	in := bufio.NewScanner(io.NewSectionReader(req.Input, 0, req.Size))
	for in.Scan() {
		switch line := in.Text(); line {
		case "LINES":
		case "PANIC":
			panic("the fake panics")
		case "CRASH":
			return runtime.Result{}, errcode.New(errcode.WorkerCrashed, "the decoder's process died")
		case "STALL":
			select {
			case <-f.stall:
			case <-ctx.Done():
				return runtime.Result{}, fmt.Errorf("decode: %w", context.Cause(ctx))
			}
		case "CUT":
			at := req.Size
			res.Status, res.Failure = runtime.Partial, &runtime.Failure{Code: errcode.Truncated, Message: "the file ends early", Offset: &at}
			res.Issues.Errors++
		default:
			if inside, ok := strings.CutPrefix(line, "CHILD "); ok {
				if err := f.child(req, &res, inside); err != nil {
					return runtime.Result{}, err
				}
			}
			lines = append(lines, line)
		}
		req.Progress(runtime.Progress{BytesRead: req.Size / 2})
	}
	if len(lines) == 0 {
		res.Status, res.Failure = runtime.Failed, &runtime.Failure{Code: errcode.CorruptRecord, Message: "no line"}
	}
	res.Rows = int64(len(lines))
	if slices.Contains(lines, "twice") { // a killed decode is run once more, with its files empty again
		if err := f.emit(req, append(lines, "a longer first run")); err != nil {
			return runtime.Result{}, err
		}
	}
	if len(lines) > 0 && (req.Tables == nil || slices.Contains(req.Tables, "lines")) {
		if err := f.emit(req, lines); err != nil {
			return runtime.Result{}, err
		}
	}
	res.Tables = []runtime.TableResult{
		{Schema: linesSchema(), Rows: res.Rows}, {Schema: emptySchema()}, {Schema: table.Issues()},
	}
	return res, nil
}

// child finds a file inside: its name and its quoted content.
func (fake) child(req runtime.Request, res *runtime.Result, text string) error {
	if req.RefuseChildren != "" {
		res.Issues.Warnings++
		return nil
	}
	name, quoted, _ := strings.Cut(text, " ")
	content, err := strconv.Unquote(quoted)
	if err != nil {
		return err
	}
	c := runtime.Child{Index: len(res.Children), Name: name, Size: int64(len(content))}
	res.Children = append(res.Children, c)
	file, err := req.CreateChild(c.Index)
	if err != nil {
		return err
	}
	_, err = io.WriteString(file, content)
	return errors.Join(err, file.Close())
}

func (fake) emit(req runtime.Request, lines []string) error {
	file, err := req.Create(linesSchema())
	if err != nil {
		return err
	}
	enc, err := table.NewEncoder(req.Form, file, linesSchema(), req.Options)
	if err != nil {
		return err
	}
	b := &table.Batch{Rows: len(lines), Columns: make([]table.Vector, 3)}
	b.Columns[2].Offsets = []uint32{0}
	for i, l := range lines {
		b.Columns[0].Data = binary.LittleEndian.AppendUint64(b.Columns[0].Data, uint64(i+1))
		b.Columns[1].Data = binary.LittleEndian.AppendUint32(b.Columns[1].Data, uint32(len(l)))
		b.Columns[2].Data = append(b.Columns[2].Data, l...)
		b.Columns[2].Offsets = append(b.Columns[2].Offsets, uint32(len(b.Columns[2].Data)))
	}
	return errors.Join(enc.Write(b), enc.Close(), file.Close())
}
