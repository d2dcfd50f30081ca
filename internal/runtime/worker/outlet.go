package worker

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/wayside-edge/wayside/internal/errcode"
	"github.com/wayside-edge/wayside/internal/runtime/wire"
	"github.com/wayside-edge/wayside/internal/table"
)

// passed is the outlet of decodes: the serving process is told of tables and sub-files and passes their files.
type passed struct {
	sock   *wire.Conn
	asking sync.Mutex // one question and its answer at a time: the guest's goroutine and the encoder's ask
}

func (p *passed) declare(index int, s *table.Schema) error {
	return p.sock.Send(wire.KindDeclare, wire.Declare{Index: index, Schema: s}) //nolint:wrapcheck // the caller says what it did
}

func (p *passed) open(tables []*outTable) ([]io.WriteCloser, error) {
	q := wire.Open{Indexes: make([]int, len(tables))}
	for i, t := range tables {
		q.Indexes[i] = t.index
	}
	m, got, err := p.ask(wire.KindOpen, q)
	if err != nil {
		return nil, fmt.Errorf("ask for files: %w", err)
	}
	defer m.Close()
	if got.Code != "" {
		name := tables[0].schema.Name
		for _, t := range tables {
			if t.index == got.Failed {
				name = t.schema.Name
			}
		}
		return nil, errcode.New(got.Code, "the file of table "+name+" could not be made")
	}
	if !slices.Equal(got.Indexes, q.Indexes) || len(m.Files) != len(tables) {
		return nil, fmt.Errorf("ask for files: %w", wire.ErrProtocol)
	}
	files := make([]io.WriteCloser, len(m.Files))
	for i, f := range m.Files {
		files[i] = f
	}
	m.Files = nil
	return files, nil
}

func (p *passed) child(index int, name string) (childFile, error) {
	m, got, err := p.ask(wire.KindChild, wire.Child{Index: index, Name: name})
	if err != nil {
		return nil, err
	}
	defer m.Close()
	f := m.TakeFile()
	switch {
	case got.Code != "":
		return nil, errcode.New(got.Code, "the file of a sub-file could not be made")
	case f == nil:
		return nil, wire.ErrProtocol
	}
	return f, nil
}

func (p *passed) childEnd(index int, size int64) error {
	return p.sock.Send(wire.KindChildEnd, wire.ChildEnd{Index: index, Size: size}) //nolint:wrapcheck // the caller says what it did
}

// ask sends a question that is answered with files.
func (p *passed) ask(kind wire.Kind, question any) (*wire.Message, wire.Opened, error) {
	var got wire.Opened
	p.asking.Lock()
	defer p.asking.Unlock()
	if err := p.sock.Send(kind, question); err != nil {
		return nil, got, err //nolint:wrapcheck // the caller says what for
	}
	m, err := p.sock.Recv()
	if err != nil {
		return nil, got, err //nolint:wrapcheck // the caller says what for
	}
	if err = m.Decode(&got); err == nil && m.Kind != wire.KindOpened {
		err = wire.ErrProtocol
	}
	if err != nil {
		m.Close()
		return nil, got, err //nolint:wrapcheck // the caller says what for
	}
	return m, got, nil
}

// kept is the outlet of golden vectors: tables stay in this process. The guest's goroutine declares tables and the
// encoder's opens them; what they hold is read when both have ended.
type kept struct {
	schemas []*table.Schema // of the manifest, then those declared
	files   map[int]*keptTable
	left    int // bytes that all tables together may still take
}

func newKept(schemas []*table.Schema, limit int) *kept {
	return &kept{schemas: slices.Clone(schemas), files: map[int]*keptTable{}, left: limit}
}

func (k *kept) declare(_ int, s *table.Schema) error {
	k.schemas = append(k.schemas, s)
	return nil
}

func (k *kept) open(tables []*outTable) ([]io.WriteCloser, error) {
	files := make([]io.WriteCloser, len(tables))
	for i, t := range tables {
		f := &keptTable{of: k}
		k.files[t.index], files[i] = f, f
	}
	return files, nil
}

// child takes a sub-file and keeps nothing of it: a golden document holds the rows.
func (k *kept) child(int, string) (childFile, error) { return nowhere{}, nil }

func (k *kept) childEnd(int, int64) error { return nil }

// nowhere is what a sub-file of a golden vector is written to.
type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

// Close does nothing.
func (nowhere) Close() error { return nil }

// Truncate does nothing.
func (nowhere) Truncate(int64) error { return nil }

// rows gives what was written of a table, nil if nothing was.
func (k *kept) rows(index int) []byte {
	if f := k.files[index]; f != nil {
		return f.b
	}
	return nil
}

// keptTable is one table, as it was written.
type keptTable struct {
	of *kept
	b  []byte
}

var errKeptFull = errors.New("the tables are too large")

func (f *keptTable) Write(p []byte) (int, error) {
	if len(p) > f.of.left {
		return 0, errKeptFull
	}
	f.of.left -= len(p)
	f.b = append(f.b, p...)
	return len(p), nil
}

// Close does nothing.
func (f *keptTable) Close() error { return nil }
