package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/wayside-edge/wayside/internal/disk"
	"github.com/wayside-edge/wayside/internal/runtime/module"
	"github.com/wayside-edge/wayside/internal/table"
	"github.com/wayside-edge/wayside/plugins/rail/recorder"
	"github.com/wayside-edge/wayside/sdk/go"
	"github.com/wayside-edge/wayside/sdk/go/abi"
)

// nativeRun is a decode by the rail decoder as it is compiled for this machine.
type nativeRun struct {
	rows int64
	took time.Duration
}

// native decodes a recording into the files that the appliance would make of it, without its process, its sandbox
// and its checks: the decoder in one goroutine, the encoders in another, everything flushed at the end.
func (b *bench) native(path string, variables bool) (run nativeRun, err error) {
	dir, err := os.MkdirTemp(b.work, "native-")
	if err != nil {
		return run, fmt.Errorf("decode natively: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	in, err := os.Open(path)
	if err != nil {
		return run, fmt.Errorf("decode natively: %w", err)
	}
	defer in.Close()
	began := time.Now()
	s, err := newNativeSink(dir)
	if err != nil {
		return run, err
	}
	ret := recorder.Plugin().Run(sdk.Host{Input: in, Sink: s, Param: func(key string) (string, bool) {
		return strconv.FormatBool(variables), key == "variables"
	}})
	if err := s.close(); err != nil {
		return run, err
	}
	if ret != abi.DecodeOK {
		return run, fmt.Errorf("decode natively: %s", s.reason)
	}
	if err := disk.SyncTree(disk.OS, dir); err != nil {
		return run, fmt.Errorf("decode natively: %w", err)
	}
	return nativeRun{rows: s.rows, took: time.Since(began)}, nil
}

// nativeQueue is as many batches as a worker lets wait between its guest and its encoders.
const nativeQueue = 4

// nativeSink copies batches and hands them to the goroutine that encodes them. The table issues is left out: a clean
// recording has a few rows of it.
type nativeSink struct {
	tables []*nativeTable
	queue  chan *nativeBatch
	free   chan *nativeBatch // used batches, for their memory
	done   chan error
	rows   int64
	reason string
}

type nativeTable struct {
	schema *table.Schema
	path   string
	file   *os.File
	buf    *bufio.Writer
	enc    table.Encoder
}

type nativeBatch struct {
	table int
	b     table.Batch
	data  []byte
	offs  []uint32
}

func newNativeSink(dir string) (*nativeSink, error) {
	s := &nativeSink{
		queue: make(chan *nativeBatch, nativeQueue), free: make(chan *nativeBatch, nativeQueue+2), done: make(chan error, 1),
	}
	m := recorder.Plugin().Manifest()
	for i := range m.Tables {
		schema, err := module.Schema(&m.Tables[i])
		if err != nil {
			return nil, fmt.Errorf("decode natively: %w", err)
		}
		schema = table.NewRedactor(schema).Schema()
		s.tables = append(s.tables, &nativeTable{schema: schema, path: filepath.Join(dir, schema.Name+".parquet")})
	}
	go func() { s.done <- s.encode() }() // joined by close
	return s, nil
}

// Emit implements sdk.Sink.
func (s *nativeSink) Emit(b *sdk.Batch) bool {
	var n *nativeBatch
	select {
	case n = <-s.free:
	default:
		n = &nativeBatch{}
	}
	n.take(b)
	s.rows += int64(b.Rows)
	s.queue <- n
	return true
}

// Issue implements sdk.Sink.
func (s *nativeSink) Issue(abi.Severity, int64, string, string) {}

// Fail implements sdk.Sink.
func (s *nativeSink) Fail(code, message string) { s.reason = code + ": " + message }

// Log implements sdk.Sink.
func (s *nativeSink) Log(abi.Severity, string) {}

// take copies a batch, all of it behind each other.
func (n *nativeBatch) take(b *sdk.Batch) {
	n.table, n.b.Rows = b.Table, b.Rows
	total, offsets := 0, 0
	for i := range b.Columns {
		total += len(b.Columns[i].Values) + len(b.Columns[i].Validity)
		offsets += len(b.Columns[i].Offsets)
	}
	if cap(n.data) < total {
		n.data = make([]byte, 0, total)
	}
	if cap(n.offs) < offsets {
		n.offs = make([]uint32, 0, offsets)
	}
	n.data, n.offs, n.b.Columns = n.data[:0], n.offs[:0], n.b.Columns[:0]
	for i := range b.Columns {
		c := &b.Columns[i]
		var v table.Vector
		n.data = append(n.data, c.Values...)
		v.Data = n.data[len(n.data)-len(c.Values):]
		if c.Validity != nil {
			n.data = append(n.data, c.Validity...)
			v.Validity = n.data[len(n.data)-len(c.Validity):]
		}
		if c.Offsets != nil {
			n.offs = append(n.offs, c.Offsets...)
			v.Offsets = n.offs[len(n.offs)-len(c.Offsets):]
		}
		n.b.Columns = append(n.b.Columns, v)
	}
}

// encode is the goroutine that writes the tables. After a failure it only empties the queue.
func (s *nativeSink) encode() error {
	var failed error
	for n := range s.queue {
		if failed == nil {
			failed = s.tables[n.table].write(&n.b)
		}
		select {
		case s.free <- n:
		default:
		}
	}
	for _, t := range s.tables {
		if t.file != nil {
			failed = errors.Join(failed, t.enc.Close(), t.buf.Flush(), t.file.Close())
		}
	}
	return failed
}

func (t *nativeTable) write(b *table.Batch) error {
	if t.file == nil {
		f, err := os.Create(t.path)
		if err != nil {
			return fmt.Errorf("decode natively: %w", err)
		}
		t.file, t.buf = f, bufio.NewWriterSize(f, 32<<10)
		if t.enc, err = table.NewEncoder(table.Parquet, t.buf, t.schema, table.EncodeOptions{}); err != nil {
			return fmt.Errorf("decode natively: %w", err)
		}
	}
	if err := t.enc.Write(b); err != nil {
		return fmt.Errorf("decode natively: %w", err)
	}
	return nil
}

// close ends the queue, waits for the encoders and gives their first failure.
func (s *nativeSink) close() error {
	close(s.queue)
	if err := <-s.done; err != nil {
		return fmt.Errorf("decode natively: %w", err)
	}
	return nil
}
