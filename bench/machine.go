package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// measureMachine prints what the machine itself does, for comparison.
func measureMachine(ctx context.Context, b *bench) ([]figure, error) {
	var flush, write, cached, cold, hash spread
	path := filepath.Join(b.work, "local")
	defer os.Remove(path)
	for range b.runs {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("measure the machine: %w", ctx.Err())
		}
		n, err := flushRate(filepath.Join(b.work, "flush"))
		if err != nil {
			return nil, err
		}
		flush = append(flush, n)
		d, err := writeHashSync(filepath.Join(b.work, "hashed"), uploadBytes)
		if err != nil {
			return nil, err
		}
		write = append(write, uploadBytes/mib/d.Seconds())
		if err := writeRecording(path, speedBytes); err != nil {
			return nil, err
		}
		for _, r := range []struct {
			into   *spread
			forget bool
			to     func() io.Writer
		}{
			{&cold, true, func() io.Writer { return io.Discard }},
			{&cached, false, func() io.Writer { return io.Discard }},
			{&hash, false, func() io.Writer { return sha256.New() }},
		} {
			d, err := readThrough(path, r.to(), r.forget)
			if err != nil {
				return nil, err
			}
			*r.into = append(*r.into, speedBytes/1e6/d.Seconds())
		}
	}
	return []figure{
		{"machine: fdatasync of 4 KiB, 1/s", "–", flush.String()},
		{"machine: write + SHA-256 + fsync, MiB/s", "–", write.String()},
		{"machine: read of 200 MB, cached, MB/s", "–", cached.String()},
		{"machine: read of 200 MB after POSIX_FADV_DONTNEED, MB/s", "–", cold.String()},
		{"machine: read + SHA-256 of 200 MB, MB/s", "–", hash.String()},
	}, nil
}

// flushRate gives how many blocks a second can be written and flushed one after the other.
func flushRate(path string) (float64, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	const n = 300
	began := time.Now()
	for range n {
		if _, err := f.Write(block); err != nil {
			return 0, fmt.Errorf("write: %w", err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			return 0, fmt.Errorf("flush: %w", err)
		}
	}
	return n / time.Since(began).Seconds(), nil
}

const uploadBytes = 256 * mib

// writeHashSync writes, hashes and flushes so many bytes, as one who stores an upload must at least.
func writeHashSync(path string, n int64) (time.Duration, error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("create: %w", err)
	}
	defer os.Remove(path)
	defer f.Close()
	began := time.Now()
	if _, err := io.Copy(io.MultiWriter(f, sha256.New()), &noise{left: n}); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	if err := f.Sync(); err != nil {
		return 0, fmt.Errorf("flush: %w", err)
	}
	return time.Since(began), nil
}

// readThrough times reading a file from its beginning to its end. forget drops it from the page cache before; below
// that the disk of a virtual machine may have a cache of its own.
func readThrough(path string, to io.Writer, forget bool) (took time.Duration, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if forget {
		if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED); err != nil {
			return 0, fmt.Errorf("drop from the page cache: %w", err)
		}
	}
	buf := make([]byte, 256<<10)
	began := time.Now()
	for {
		n, err := f.Read(buf)
		if errors.Is(err, io.EOF) {
			return time.Since(began), nil
		}
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
		if _, err := to.Write(buf[:n]); err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
	}
}

// writeRecording writes a large recording, durably.
func writeRecording(path string, n int64) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, large(n)); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	if err := f.Sync(); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}
