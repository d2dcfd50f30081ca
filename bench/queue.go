package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"
)

const (
	queueClients = 64
	queueJobs    = 40_000 // a run
)

// measureQueue times jobs over HTTP: one job a request from 64 clients, made, then leased and acknowledged; and one at a
// time from an idle appliance. The clients write and read HTTP by hand: they share the machine with what they measure.
func measureQueue(ctx context.Context, b *bench) ([]figure, error) {
	var flush, enqueue, ack, start, enqueueRatio, ackRatio spread
	for range b.runs {
		raw, err := flushRate(filepath.Join(b.work, "flush"))
		if err != nil {
			return nil, err
		}
		a, err := b.appliance(ctx)
		if err != nil {
			return nil, err
		}
		made, err := queueLoad(ctx, a.url, queueJobs, makeJob)
		if err != nil {
			return nil, fmt.Errorf("enqueue: %w", err)
		}
		done, err := queueLoad(ctx, a.url, queueJobs, leaseJob)
		if err != nil {
			return nil, fmt.Errorf("lease and ack: %w", err)
		}
		idle, err := queueStart(ctx, a.url)
		if err != nil {
			return nil, fmt.Errorf("start: %w", err)
		}
		if err := a.stop(); err != nil {
			return nil, err
		}
		flush, enqueue, ack, start = append(flush, raw), append(enqueue, made), append(ack, done), append(start, idle)
		enqueueRatio, ackRatio = append(enqueueRatio, made/raw), append(ackRatio, done/raw)
	}
	return []figure{
		{"queue: fdatasync of 4 KiB, 1/s", "–", flush.String()},
		{"queue: enqueue over HTTP, 64 clients, jobs/s", "≥ 20000", enqueue.String()},
		{"÷ fdatasync of 4 KiB", "–", enqueueRatio.String()},
		{"queue: lease + ack over HTTP, 64 clients, jobs/s", "≥ 24000", ack.String()},
		{"÷ fdatasync of 4 KiB", "–", ackRatio.String()},
		{"queue: idle, enqueue → start over HTTP, p50, ms", "≤ 1.2", start.String()},
	}, nil
}

// step makes the body of a client's next request from the answer to the one before, and says whether that did a job.
type step func(client int, answer []byte) (path string, body []byte, did bool)

func makeJob(client int, answer []byte) (string, []byte, bool) {
	return "/api/v1/jobs", fmt.Appendf(nil, `{"type":"bench","payload":{"client":%d,"file":"recordings/2026/01/02/north.RU"}}`, client), answer != nil
}

func leaseJob(client int, answer []byte) (string, []byte, bool) {
	body := fmt.Appendf(nil, `{"worker":"bench%d"`, client)
	id, lease := member(answer, "id"), member(answer, "lease")
	if id != "" {
		body = fmt.Appendf(body, `,"ack":[{"id":%q,"lease":%q,"result":1}]`, id, lease)
	}
	return "/api/v1/leases", append(body, '}'), id != ""
}

// member gives the first string member of that name.
func member(doc []byte, name string) string {
	_, rest, ok := bytes.Cut(doc, []byte(`"`+name+`":"`))
	if !ok {
		return ""
	}
	value, _, _ := bytes.Cut(rest, []byte{'"'})
	return string(value)
}

// queueLoad has 64 clients do n jobs, and gives how many a second.
func queueLoad(ctx context.Context, url string, n int, next step) (float64, error) {
	errs := make([]error, queueClients)
	began := time.Now()
	var all sync.WaitGroup
	for c := range queueClients {
		all.Go(func() {
			conn, err := dialRaw(ctx, url)
			if err != nil {
				errs[c] = err
				return
			}
			defer conn.close()
			var answer []byte
			for did := 0; did < n/queueClients; {
				path, body, ok := next(c, answer)
				if answer, errs[c] = conn.post(path, body); errs[c] != nil {
					return
				}
				if ok {
					did++
				}
			}
		})
	}
	all.Wait()
	return float64(n) / time.Since(began).Seconds(), errors.Join(errs...)
}

// queueStart gives how long it takes, p50 in milliseconds, from before a job is sent to an idle appliance until a
// worker that waits has it.
func queueStart(ctx context.Context, url string) (float64, error) {
	maker, err := dialRaw(ctx, url)
	if err != nil {
		return 0, err
	}
	defer maker.close()
	worker, err := dialRaw(ctx, url)
	if err != nil {
		return 0, err
	}
	defer worker.close()
	var took spread
	ack := ""
	for range 200 {
		leased := make(chan error, 1)
		var answer []byte
		go func() {
			var err error
			answer, err = worker.post("/api/v1/leases", []byte(`{"worker":"start","types":["start"],"wait":30`+ack+`}`))
			leased <- err
		}()
		time.Sleep(5 * time.Millisecond) // until it waits: what is measured is the time after that
		began := time.Now()
		if _, err := maker.post("/api/v1/jobs", []byte(`{"type":"start"}`)); err != nil {
			return 0, err
		}
		if err := <-leased; err != nil {
			return 0, err
		}
		took = append(took, ms(time.Since(began)))
		ack = fmt.Sprintf(`,"ack":[{"id":%q,"lease":%q}]`, member(answer, "id"), member(answer, "lease"))
	}
	return took.median(), nil
}
