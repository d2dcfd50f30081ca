package main

import (
	"bufio"
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sampler reads what an appliance holds, again and again.
type sampler struct {
	began  time.Time
	server int
	target *target
	dir    string // data folder
	series map[string]series
	rounds int
}

// diskEvery is how many rounds pass between two walks over the data folder.
const diskEvery = 6

func newSampler(a *appliance, g *target, dir string) *sampler {
	return &sampler{began: time.Now(), server: a.pid, target: g, dir: dir, series: map[string]series{}}
}

func (s *sampler) note(name string, value float64) {
	s.series[name] = append(s.series[name], point{at: time.Since(s.began), value: value})
}

// sample reads everything once.
func (s *sampler) sample(ctx context.Context) error {
	server, err := usageOf(s.server)
	if err != nil {
		return err
	}
	list := children(s.server)
	var kids usage
	for _, c := range list {
		u, err := usageOf(c.pid)
		if err != nil {
			continue // it ended since
		}
		kids.pss += u.pss
		kids.rss += u.rss
		kids.anon += u.anon
		kids.descriptors += u.descriptors
		kids.threads += u.threads
	}
	goroutines, err := s.goroutines(ctx)
	if err != nil {
		return err
	}
	for name, v := range map[string]int64{
		"pss_bytes": server.pss + kids.pss, "pss_server_bytes": server.pss, "pss_children_bytes": kids.pss,
		"anon_bytes": server.anon + kids.anon, "anon_server_bytes": server.anon, "rss_server_bytes": server.rss, "rss_children_bytes": kids.rss,
		"descriptors_server": server.descriptors, "descriptors_children": kids.descriptors,
		"threads_server": server.threads, "threads_children": kids.threads,
		"children": int64(len(list)), "goroutines": goroutines, "files_stored": int64(s.target.book.size()),
	} {
		s.note(name, float64(v))
	}
	if s.rounds%diskEvery == 0 {
		bytes, files := bytesBelow(s.dir)
		s.note("disk_bytes", float64(bytes))
		s.note("disk_files", float64(files))
	}
	s.rounds++
	return nil
}

// goroutines reads the appliance's own figure.
func (s *sampler) goroutines(ctx context.Context) (n int64, err error) {
	_, err = s.target.do(ctx, request{kind: "metrics", method: http.MethodGet, path: "/metrics"}, func(resp *http.Response) error {
		sc := bufio.NewScanner(resp.Body)
		for sc.Scan() {
			if text, ok := strings.CutPrefix(sc.Text(), "go_goroutines "); ok {
				n, err = strconv.ParseInt(text, 10, 64)
				if err != nil {
					return fmt.Errorf("read go_goroutines: %w", err)
				}
			}
		}
		return sc.Err()
	})
	return n, err
}

// judge holds every series to its rule.
func (s *sampler) judge() map[string]resource {
	out := map[string]resource{}
	for name, values := range s.series {
		r, ok := rules()[name]
		out[name] = values.judge(r, ok)
	}
	return out
}

// save writes all samples as CSV, a column each, for whoever wants to draw them.
func (s *sampler) save(path string) error {
	names := make([]string, 0, len(s.series))
	for name := range s.series {
		names = append(names, name)
	}
	slices.Sort(names)
	var b strings.Builder
	b.WriteString("seconds," + strings.Join(names, ",") + "\n")
	for i := range s.rounds {
		at := s.series["pss_bytes"][i].at
		fmt.Fprintf(&b, "%.1f", at.Seconds())
		for _, name := range names {
			values, k := s.series[name], i
			if strings.HasPrefix(name, "disk_") {
				k = i / diskEvery
			}
			fmt.Fprintf(&b, ",%.0f", values[min(k, len(values)-1)].value)
		}
		b.WriteByte('\n')
	}
	//nolint:forbidigo // a report, nothing that has to survive a power cut
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("save samples: %w", err)
	}
	return nil
}

// occupied gives what a file takes of the disk: one with holes takes less than its size.
func occupied(info fs.FileInfo) int64 {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return st.Blocks * 512
	}
	return info.Size()
}
