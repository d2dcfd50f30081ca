package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// loadPhase keeps one appliance under mixed load for a while, and sees that what it holds does not grow. Files are
// deleted as others come, and ended jobs are kept for a short while only, so that what is stored stays the same.
func loadPhase(ctx context.Context, p *run) error {
	keep := min(max(p.load/10, 20*time.Second), 10*time.Minute)
	p.env = []string{"WAYSIDE_QUEUE_RETENTION=" + keep.String(), "WAYSIDE_QUEUE_RESULT_TTL=" + keep.String()}
	a, g, err := p.launch(ctx)
	if err != nil {
		return err
	}
	defer g.close()
	life, end := context.WithTimeout(ctx, p.load)
	defer end()
	crowd := crowd{
		target: g, seed: p.seed, clients: p.clients, pace: newPace(p.rate), full: p.files,
		heavy: []heavy{{middle, 3 * mib / 2, p.middleEvery, "&wait=30"}, {large, p.largeSize, p.largeEvery, ""}},
	}
	var wg sync.WaitGroup
	wg.Go(func() { crowd.run(life) })
	s := newSampler(a, g, p.binary().dir)
	err = p.observe(life, a, s)
	end()
	wg.Wait()
	p.result.Resources = s.judge()
	for _, name := range slices.Sorted(keys(p.result.Resources)) {
		if r := p.result.Resources[name]; !r.Flat && ctx.Err() == nil {
			p.tally.broke("not flat", "%s %s", name, r.Why)
		}
	}
	if serr := s.save(filepath.Join(p.report, "soak-samples.csv")); serr != nil && err == nil {
		err = serr
	}
	if err != nil {
		return err
	}
	if err := p.stop(ctx, a, g); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("load: %w", ctx.Err())
	}
	return p.finish(ctx)
}

// observe samples until the load ends.
func (p *run) observe(ctx context.Context, a *appliance, s *sampler) error {
	report := time.Now()
	for ctx.Err() == nil && !p.tally.hopeless() {
		if a.gone() {
			p.tally.broke("died", "the appliance ended by itself: %v\n%s", a.err, logTail(p.binary().log, 30))
			return nil
		}
		if err := s.sample(ctx); err != nil && ctx.Err() == nil && !a.gone() {
			return fmt.Errorf("sample: %w", err)
		}
		p.book.prune()
		if time.Since(report) >= p.progressEvery {
			report = time.Now()
			last := func(name string) float64 {
				v := s.series[name]
				if len(v) == 0 {
					return 0
				}
				return v[len(v)-1].value
			}
			p.progress("%v of %v: %d actions, %d uploads, %.0f files stored; %.1f MiB PSS, %.0f descriptors, %.0f goroutines, %.0f children",
				time.Since(p.began).Round(time.Second), p.load, p.tally.count("actions"), p.tally.count("uploads acknowledged"),
				last("files_stored"), last("pss_bytes")/mib, last("descriptors_server"), last("goroutines"), last("children"))
		}
		pause(ctx, p.sample)
	}
	return nil
}
