package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// kvLogHead is what a log without any record is about as long as.
const kvLogHead = 1000

// damage cuts the end off the log of a stopped appliance, and changes bits in its middle: what comes before is there, and
// nothing is thrown away without a word.
func (s *kvSoak) damage(ctx context.Context, times int) error {
	for n := range 2 * times {
		l, err := s.start(ctx)
		if err != nil {
			return fmt.Errorf("damage %d: %w", n, err)
		}
		if _, err := l.control.do("CONFIG", "SET", "auto-aof-rewrite-percentage", "0"); err != nil {
			return fmt.Errorf("damage %d: %w", n, err)
		}
		err = s.load(ctx, l, func() error {
			pause(ctx, 300*time.Millisecond)
			s.kill(ctx, l)
			return nil
		})
		if err == nil {
			s.promise = kvPromise{within: -1}
			err = s.damageOnce(ctx, n%2 == 0)
		}
		if err != nil {
			return fmt.Errorf("damage %d: %w", n, err)
		}
	}
	l, err := s.start(ctx)
	if err != nil {
		return err
	}
	s.progress("damage: %d logs cut, %d bits changed", s.tally.count("logs cut"), s.tally.count("bits changed"))
	return s.stopLife(ctx, l)
}

// damageOnce damages the last log that holds something, and looks what a start makes of it.
func (s *kvSoak) damageOnce(ctx context.Context, cut bool) error {
	path, data, err := s.lastLog()
	if err != nil {
		return err
	}
	if path == "" {
		s.tally.add("nothing to damage", 1)
		return nil
	}
	at := 20 + s.rnd.IntN(len(data)-20)
	if cut {
		data = data[:at]
		s.tally.add("logs cut", 1)
	} else {
		data[at] ^= 1 << s.rnd.IntN(8)
		s.tally.add("bits changed", 1)
	}
	//nolint:forbidigo // damage, nothing that has to survive a power cut
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return fmt.Errorf("damage the log: %w", err)
	}
	before := len(s.printed())
	l, err := s.start(ctx)
	if err != nil {
		return err
	}
	s.judgeDamage(ctx, l, path, data, cut, before)
	if _, err := l.control.do("BGREWRITEAOF"); err != nil {
		return err
	}
	return s.stopLife(ctx, l)
}

// lastLog reads the newest log that holds something; the path is "" if there is none.
func (s *kvSoak) lastLog() (path string, data []byte, err error) {
	logs, err := filepath.Glob(filepath.Join(s.data, "kv", "*.log"))
	if err != nil {
		return "", nil, fmt.Errorf("find the log: %w", err)
	}
	slices.Sort(logs)
	for _, path := range slices.Backward(logs) {
		if data, err = os.ReadFile(filepath.Clean(path)); err != nil {
			return "", nil, fmt.Errorf("read the log: %w", err)
		}
		if len(data) > kvLogHead {
			return path, data, nil
		}
	}
	return "", nil, nil
}

// printed gives what the appliance has printed so far.
func (s *kvSoak) printed() string {
	data, err := os.ReadFile(s.binary().log)
	if err != nil {
		return err.Error()
	}
	return string(data)
}

// judgeDamage sees that the damage was told of, and that what could not be repeated is kept.
func (s *kvSoak) judgeDamage(ctx context.Context, l *kvLife, path string, data []byte, cut bool, before int) {
	text := s.printed()
	text = text[min(len(text), before):]
	kept, err := os.ReadFile(path + ".damaged")
	switch {
	case err == nil:
		s.tally.add("tails kept aside", 1)
		if !bytes.HasSuffix(data, kept) || !strings.Contains(text, "kv_log_damaged") {
			s.tally.broke("damaged", "%d bytes were kept aside of %s that are not its end, or were not told of", len(kept), path)
		}
		var h struct {
			Components []struct{ Name, Status, Detail string }
		}
		if err := l.get(ctx, "health", "/health/ready", &h); err != nil {
			s.tally.broke("failed", "%v", err)
		}
		if !slices.ContainsFunc(h.Components, func(c struct{ Name, Status, Detail string }) bool {
			return c.Name == "kv" && c.Status == "degraded" && strings.Contains(c.Detail, ".damaged")
		}) {
			s.tally.broke("silent", "health says nothing of a damaged log: %+v", h)
		}
	case strings.Contains(text, "kv_log_cut"):
		s.tally.add("tails cut", 1)
	case !cut:
		s.tally.broke("silent", "a bit of %s was changed, and nothing was said", path)
	}
}

// kvDiskSize is room for a base and a log, and for their successors.
const kvDiskSize = 16 * mib

// full keeps the log on a small disk of its own, and fills that while clients write: they are refused with a reason, reads
// go on, and when there is room writes do. Every other time the appliance is killed while the disk is full.
func (s *kvSoak) full(ctx context.Context, times int) error {
	s.data = filepath.Join(s.work, "full")
	disk := filepath.Join(s.data, "kv")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("mode=700,size=%d", kvDiskSize)); err != nil {
		s.progress("full: not run, a small disk takes the right to mount: %v", err)
		s.tally.add("not run", 1)
		return nil
	}
	s.begin()
	s.filled = true
	var err error
	for n := 0; n < times && err == nil && !s.tally.hopeless(); n++ {
		if err = s.fullOnce(ctx, filepath.Join(disk, "junk"), n%2 == 1); err != nil {
			err = fmt.Errorf("full disk %d: %w", n, err)
		}
		s.progress("full: %d of %d times, %d acknowledged", n+1, times, s.tally.count("acknowledged"))
	}
	if err == nil {
		var l *kvLife
		if l, err = s.start(ctx); err == nil {
			err = s.stopLife(ctx, l)
		}
	}
	if uerr := syscall.Unmount(disk, syscall.MNT_DETACH); uerr != nil && err == nil {
		err = fmt.Errorf("unmount: %w", uerr)
	}
	return err
}

func (s *kvSoak) fullOnce(ctx context.Context, junk string, killed bool) error {
	l, err := s.start(ctx)
	if err != nil {
		return err
	}
	err = s.load(ctx, l, func() error {
		pause(ctx, 200*time.Millisecond)
		if err := fillDisk(junk, s.rnd.Int64N(300<<10)); err != nil {
			return err
		}
		if err := s.refusesWrites(ctx, l); err != nil {
			return err
		}
		pause(ctx, 300*time.Millisecond)
		if killed {
			s.kill(ctx, l)
			return nil
		}
		if err := os.Remove(junk); err != nil {
			return fmt.Errorf("make room: %w", err)
		}
		if err := s.acceptsWrites(ctx, l); err != nil {
			return err
		}
		pause(ctx, 300*time.Millisecond)
		s.kill(ctx, l)
		return nil
	})
	if err != nil || !killed {
		return err
	}
	return s.startWhileFull(ctx, junk)
}

// startWhileFull starts the appliance on the full disk: it serves what is kept, and takes writes when there is room.
func (s *kvSoak) startWhileFull(ctx context.Context, junk string) error {
	s.tally.add("kills while full", 1)
	l, err := s.start(ctx)
	if err != nil {
		return err
	}
	if err := os.Remove(junk); err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	if err := s.acceptsWrites(ctx, l); err != nil {
		return err
	}
	return s.stopLife(ctx, l)
}

// refusesWrites waits until the disk is full and sees what clients are told then.
func (s *kvSoak) refusesWrites(ctx context.Context, l *kvLife) error {
	for until := time.Now().Add(roomWait); time.Now().Before(until); {
		_, err := s.probe(ctx, l, "SET", "full:probe", strings.Repeat("x", 1000))
		if refusedForDisk(err) && strings.Contains(err.Error(), "space") {
			s.tally.add("times the disk was full", 1)
			if v, err := s.probe(ctx, l, "GET", "full:probe"); err != nil || v == nil {
				s.tally.broke("full", "reads do not go on: %v %v", v, err)
			}
			return nil
		}
		if err != nil && !errors.Is(err, io.EOF) { // what was taken and cannot be kept is not answered
			return fmt.Errorf("write to a disk that fills: %w", err)
		}
		if !pause(ctx, time.Millisecond) {
			return fmt.Errorf("fill the disk: %w", ctx.Err())
		}
	}
	s.tally.broke("full", "writes are taken %v after the disk was filled", roomWait)
	return nil
}

// probe asks over a connection of its own.
func (s *kvSoak) probe(ctx context.Context, l *kvLife, args ...string) (any, error) {
	c, err := dialKV(ctx, "tcp", l.addr)
	if err != nil {
		return nil, err
	}
	defer c.close()
	return c.do(args...)
}

// acceptsWrites waits until writes are taken again: nobody has to do anything for it.
func (s *kvSoak) acceptsWrites(ctx context.Context, l *kvLife) error {
	began := time.Now()
	for time.Since(began) < roomWait {
		_, err := s.probe(ctx, l, "SET", "full:probe", "x")
		if err == nil {
			s.tally.took("room again", time.Since(began))
			return nil
		}
		if !refusedForDisk(err) {
			return fmt.Errorf("write to a disk with room: %w", err)
		}
		if !pause(ctx, time.Millisecond) {
			return fmt.Errorf("wait for room: %w", ctx.Err())
		}
	}
	s.tally.broke("full", "writes are still refused %v after room was made", roomWait)
	return nil
}
