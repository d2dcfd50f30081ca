package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	diskSize = 160 * mib
	// roomWait is how long the appliance may take to accept uploads again once there is room.
	roomWait = 20 * time.Second
)

// fullPhase keeps the data folder on a small disk of its own. Load fills it, and a foreign file does, to below what
// the appliance keeps free and to the last bytes: uploads are refused with 507, reads and deletions go on, and
// when there is room everything goes on by itself. Half of the times it is killed while the disk is full.
func fullPhase(ctx context.Context, p *run) error {
	disk := filepath.Join(p.work, "disk")
	if err := os.MkdirAll(disk, 0o700); err != nil {
		return fmt.Errorf("make folder: %w", err)
	}
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, fmt.Sprintf("mode=700,size=%d", diskSize)); err != nil {
		return fmt.Errorf("%w: a small disk takes the right to mount: %w", errNotRun, err)
	}
	p.data = filepath.Join(disk, "data")
	err := p.fillAgainAndAgain(ctx, disk)
	if err == nil && p.tally.whole() || ctx.Err() != nil {
		if uerr := syscall.Unmount(disk, syscall.MNT_DETACH); uerr != nil && err == nil {
			err = fmt.Errorf("unmount: %w", uerr)
		}
	} else {
		p.progress("the small disk stays mounted on %s", disk)
	}
	return err
}

func (p *run) fillAgainAndAgain(ctx context.Context, disk string) error {
	rnd := rand.New(rand.NewPCG(p.seed, 0x66756c6c)) //nolint:gosec // not for secrets
	for n := 1; n <= p.fills && !p.tally.hopeless(); n++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("fill %d: %w", n, err)
		}
		if err := p.fillOnce(ctx, disk, n, rnd); err != nil {
			return fmt.Errorf("fill %d: %w", n, err)
		}
		p.progress("%d of %d fills, %d uploads refused, %d files owed", n, p.fills, p.refusedForSpace(), p.book.size())
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	// With the reserve it has by default nothing would ever be decoded on a disk of this size.
	p.env = []string{"WAYSIDE_QUEUE_CRASHES=100", "WAYSIDE_STORE_RESERVE=1MiB"}
	return p.finish(ctx)
}

// fillOnce fills the disk under load, sees what goes on, and makes room. Odd times the appliance keeps 24 MiB free;
// even times it is told to keep next to nothing, of which it makes what its database needs.
func (p *run) fillOnce(ctx context.Context, disk string, n int, rnd *rand.Rand) error {
	reserve, leave := 24*mib, int64(4*mib)+rnd.Int64N(16*mib)
	if n%2 == 0 {
		reserve, leave = mib, int64(mib)+rnd.Int64N(2*mib)
	}
	p.env = []string{"WAYSIDE_QUEUE_CRASHES=100", fmt.Sprintf("WAYSIDE_STORE_RESERVE=%d", reserve)}
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	g.provoked = refusedForSpace
	life, end := context.WithCancel(ctx)
	defer end()
	crowd := crowd{
		target: g, seed: p.seed + uint64(n)<<20, clients: p.clients, pace: newPace(p.rate), full: 150,
		heavy: []heavy{{middle, 2 * mib, 100 * time.Millisecond, ""}},
	}
	var wg sync.WaitGroup
	wg.Go(func() { crowd.run(life) })
	pause(ctx, 2*time.Second)
	junk := filepath.Join(disk, "junk")
	if err := fillDisk(junk, leave); err != nil {
		return err
	}
	before := p.refusedForSpace()
	pause(ctx, 3*time.Second)
	if p.refusedForSpace() > before {
		p.tally.add("times the disk was full", 1)
	}
	if n%4 >= 2 {
		if a, g, err = p.killWhileFull(ctx, a, g, junk, end, &wg); err != nil {
			return err
		}
		defer g.close()
	} else if err := os.Remove(junk); err != nil {
		return fmt.Errorf("make room: %w", err)
	}
	p.awaitRoom(ctx, g)
	end()
	wg.Wait()
	return p.stop(ctx, a, g)
}

// killWhileFull kills the appliance on a full disk and starts it again there. It may refuse to start where there is
// too little room to do so safely; it has to say so, and start once there is room.
func (p *run) killWhileFull(ctx context.Context, a *appliance, g *target, junk string, end func(), wg *sync.WaitGroup) (*appliance, *target, error) {
	if err := p.kill(ctx, a, g); err != nil {
		return nil, nil, err
	}
	end()
	wg.Wait()
	p.tally.add("kills while full", 1)
	next, fresh, err := p.launch(ctx)
	if err != nil && strings.Contains(err.Error(), "disk") {
		p.tally.add("starts refused while full", 1)
		if rerr := os.Remove(junk); rerr != nil {
			return nil, nil, fmt.Errorf("make room: %w", rerr)
		}
		return p.launch(ctx)
	}
	if err != nil {
		return nil, nil, err
	}
	fresh.provoked = refusedForSpace
	newVerifier(fresh, p.seed).sample(ctx, 10, 5)
	if err := os.Remove(junk); err != nil {
		return nil, nil, fmt.Errorf("make room: %w", err)
	}
	return next, fresh, nil
}

// refusedForSpace says which refusals a full disk explains: of what has to be stored, never of reading or deleting.
func refusedForSpace(kind string, status int, code string) bool {
	switch kind {
	case "upload", "upload again", "redecode", "direct decode", "enqueue", "make flow":
		return status == 507 && code == "disk_full"
	default:
		return false
	}
}

func (p *run) refusedForSpace() int64 {
	p.tally.mu.Lock()
	defer p.tally.mu.Unlock()
	return p.tally.errors["507 disk_full"]
}

// awaitRoom uploads until that is taken again: nobody has to do anything for it.
func (p *run) awaitRoom(ctx context.Context, g *target) {
	c := crowd{target: g, seed: p.seed}.client(77)
	deadline := time.Now().Add(roomWait)
	began := time.Now()
	for ctx.Err() == nil {
		e, err := p.book.send(small, 5000)
		if err != nil {
			p.tally.broke("runner", "%v", err)
			return
		}
		if c.send(ctx, e, "") != nil {
			p.tally.took("room again", time.Since(began))
			return
		}
		if time.Now().After(deadline) {
			p.tally.broke("full", "uploads are still refused %v after room was made", roomWait)
			return
		}
		// The load may have filled it by itself: what it has stored beyond the reserve is deleted.
		c.remove(ctx, func(e *entry) bool { return e.recipe.Kind == middle })
		pause(ctx, 100*time.Millisecond)
	}
}

// fillDisk makes a foreign file that leaves so many bytes free.
func fillDisk(path string, leave int64) (err error) {
	//nolint:forbidigo // nothing that has to survive a power cut
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(int(f.Fd()), &st); err != nil {
		return fmt.Errorf("fill the disk: %w", err)
	}
	free := int64(st.Bavail) * st.Bsize
	if free <= leave {
		return nil // the load was quicker
	}
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, free-leave); err != nil && !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("fill the disk: %w", err)
	}
	return nil
}
