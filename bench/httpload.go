package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

const (
	slowUploads = 2000
	slowChunk   = 2 << 10
	slowChunks  = 10
	slowEvery   = time.Second
	bigUpload   = 1 << 30
	subscribers = 1000
)

// measureHTTPSlow times the API while two thousand uploads come in slowly, and looks that none of them fails.
func measureHTTPSlow(ctx context.Context, b *bench) ([]figure, error) {
	var idle, busy, ratio, extra spread
	failed := 0
	for r := range b.runs {
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		ids, err := readable(ctx, a)
		if err != nil {
			return nil, err
		}
		before, err := p99(ctx, a.url, ids, 5*time.Second)
		if err != nil {
			return nil, err
		}
		quiet, err := a.memory()
		if err != nil {
			return nil, err
		}
		peak := a.watchMemory(ctx)
		ended := make(chan int, 1)
		go func() { ended <- uploadSlowly(ctx, a.url, r) }()
		time.Sleep(2 * time.Second) // until all are connected: what is measured is the time after that
		during, err := p99(ctx, a.url, ids, slowChunks*slowEvery-4*time.Second)
		failed += <-ended
		extra = append(extra, float64(peak()-quiet)/mib)
		if err := errors.Join(err, a.stop()); err != nil {
			return nil, err
		}
		idle, busy, ratio = append(idle, before), append(busy, during), append(ratio, during/before)
	}
	return []figure{
		{"http: GET of a file, p99, ms", "–", idle.String()},
		{"http: the same during 2,000 slow uploads, p99, ms", "–", busy.String()},
		{"p99 during 2,000 slow uploads ÷ idle", "≤ 3", ratio.String()},
		{"slow uploads that failed", "0", fmt.Sprint(failed)},
		{"2,000 slow uploads, memory on top, MiB PSS", "–", extra.String()},
	}, nil
}

// p99 reads one file after the other, with pauses, and gives how long the slow ones take.
func p99(ctx context.Context, url string, ids []string, during time.Duration) (float64, error) {
	conn, err := dialRaw(ctx, url)
	if err != nil {
		return 0, err
	}
	defer conn.close()
	var took spread
	for began := time.Now(); time.Since(began) < during; time.Sleep(2 * time.Millisecond) {
		at := time.Now()
		if _, err := conn.get("/api/v1/files/" + ids[len(took)%len(ids)]); err != nil {
			return 0, err
		}
		took = append(took, ms(time.Since(at)))
	}
	return took.quantile(0.99), nil
}

// uploadSlowly sends many small files at once, a piece a second, and gives how many of them failed.
func uploadSlowly(ctx context.Context, url string, run int) int {
	var all sync.WaitGroup
	var mu sync.Mutex
	failed := 0
	for i := range slowUploads {
		all.Go(func() {
			time.Sleep(time.Duration(i) * slowEvery / slowUploads) // so that the pieces are spread over the second
			if err := uploadPieces(ctx, url, run*slowUploads+i); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed++
			}
		})
	}
	all.Wait()
	return failed
}

func uploadPieces(ctx context.Context, url string, n int) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /api/v1/files?name=slow%d.bin&decode=false HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n", n, slowChunk*slowChunks)
	piece := bytes.Repeat([]byte{0xEE, byte(n), byte(n >> 8), byte(n >> 16)}, slowChunk/4)
	for range slowChunks {
		if err != nil {
			return fmt.Errorf("send: %w", err)
		}
		time.Sleep(slowEvery)
		_, err = conn.Write(piece)
	}
	resp, err := http.ReadResponse(bufio.NewReaderSize(conn, 512), nil)
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		return fmt.Errorf("answer %s", resp.Status)
	}
	return nil
}

// measureHTTPUpload compares storing a large upload with writing, hashing and flushing the same bytes locally, in turn,
// and follows the memory meanwhile.
func measureHTTPUpload(ctx context.Context, b *bench) ([]figure, error) {
	var rate, ratio, extra spread
	for r := range b.runs {
		local, err := writeHashSync(filepath.Join(b.work, "local"), bigUpload)
		if err != nil {
			return nil, err
		}
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		// One before: what the first upload of all makes room for is not an upload's.
		if _, err := a.upload(ctx, "warm.bin", &noise{left: mib, seed: 255}, "&decode=false"); err != nil {
			return nil, err
		}
		before, err := a.memory()
		if err != nil {
			return nil, err
		}
		peak := a.watchMemory(ctx)
		began := time.Now()
		_, err = a.upload(ctx, fmt.Sprintf("u%d.bin", r), &noise{left: bigUpload, seed: byte(r + 1)}, "&decode=false")
		took, most := time.Since(began), peak()
		if err := errors.Join(err, a.stop()); err != nil {
			return nil, err
		}
		rate, ratio = append(rate, bigUpload/mib/took.Seconds()), append(ratio, local.Seconds()/took.Seconds())
		extra = append(extra, float64(most-before)/mib)
	}
	return []figure{
		{"upload of 1 GiB, MiB/s", "–", rate.String()},
		{"upload of 1 GiB ÷ local write + SHA-256 + fsync", "≥ 0.7", ratio.String()},
		{"upload of 1 GiB, memory on top, MiB PSS", "≤ 32", extra.String()},
	}, nil
}

// watchMemory follows the memory; the function it gives ends that and gives the most that was seen.
func (a *appliance) watchMemory(ctx context.Context) (most func() int64) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan int64, 1)
	go func() {
		var most int64
		for ctx.Err() == nil {
			if m, err := a.memory(); err == nil {
				most = max(most, m)
			}
			select {
			case <-time.After(50 * time.Millisecond):
			case <-ctx.Done():
			}
		}
		done <- most
	}()
	return func() int64 {
		cancel()
		return <-done
	}
}

// measureHTTPEvents gives what a thousand idle subscribers to events cost, and how soon all of them have been told of something.
func measureHTTPEvents(ctx context.Context, b *bench) ([]figure, error) {
	var cost, told spread
	for range b.runs {
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		before, err := a.memory()
		if err != nil {
			return nil, err
		}
		readers := make([]*bufio.Reader, subscribers)
		for i := range readers {
			conn, r, err := subscribe(ctx, a.url)
			if err != nil {
				return nil, err
			}
			defer conn.Close() // all of them live until the end
			readers[i] = r
		}
		time.Sleep(20 * time.Second) // what idle means, and past the first sign of life
		after, err := a.memory()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		if err := a.do(ctx, http.MethodPut, "/api/v1/queues/bench", "application/json", strings.NewReader("{}"), nil); err != nil {
			return nil, err
		}
		for _, r := range readers {
			if err := readEvent(r); err != nil {
				return nil, err
			}
		}
		told = append(told, ms(time.Since(began)))
		cost = append(cost, float64(after-before)/mib)
		if err := a.stop(); err != nil {
			return nil, err
		}
	}
	return []figure{
		{"1,000 idle subscribers to events, MiB PSS", "≤ 20", cost.String()},
		{"an event, until 1,000 subscribers have it, ms", "–", told.String()},
	}, nil
}

func subscribe(ctx context.Context, url string) (net.Conn, *bufio.Reader, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	if _, err := io.WriteString(conn, "GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"); err != nil {
		return nil, nil, fmt.Errorf("subscribe: %w", err)
	}
	r := bufio.NewReaderSize(conn, 1024)
	for line := ""; !strings.HasPrefix(line, "id: "); {
		if line, err = r.ReadString('\n'); err != nil {
			return nil, nil, fmt.Errorf("subscribe: %w", err)
		}
	}
	return conn, r, nil
}

// readEvent reads on until an event is whole.
func readEvent(r *bufio.Reader) error {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read event: %w", err)
		}
		if strings.HasPrefix(line, "data: ") {
			return nil
		}
	}
}
