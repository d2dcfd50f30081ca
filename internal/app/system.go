package app

import (
	"context"
	goruntime "runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/observe"
)

func goVersion() string { return goruntime.Version() }

// sizesFor is how long the sizes of the data folder are kept: they are found by walking it.
const sizesFor = 30 * time.Second

// system answers what the appliance is and how it does.
type system struct {
	*appliance

	mu      sync.Mutex // guards what follows
	sizes   httpapi.DataInfo
	sizedAt time.Time
}

// Info tells what the appliance is and uses.
func (s *system) Info(ctx context.Context) httpapi.SystemInfo {
	h := s.db.Health()
	return httpapi.SystemInfo{
		Version:       s.env.Version,
		Build:         httpapi.BuildInfo{GoVersion: goVersion(), Revision: s.env.Revision, OS: goruntime.GOOS, Arch: goruntime.GOARCH},
		StartedAt:     httpapi.Stamp(s.started),
		UptimeSeconds: time.Since(s.started).Seconds(),
		Data:          s.data(ctx),
		Disk:          httpapi.DiskInfo{TotalBytes: h.TotalBytes, FreeBytes: h.FreeBytes, ReserveBytes: h.ReserveBytes, Full: h.LowSpace},
		Memory:        s.memory(),
		Limits:        httpapi.LimitsInfo{MaxUploadBytes: int64(s.cfg.Server.MaxUpload), DecodeWorkers: s.cfg.Decode.Workers},
		Kernel:        s.kernel(),
	}
}

// Health gives what is known of every part. It asks none.
func (s *system) Health(context.Context) httpapi.Health {
	r := s.health.Report()
	out := httpapi.Health{Ready: r.Ready, Components: make([]httpapi.Component, len(r.Components))}
	for i, c := range r.Components {
		part := httpapi.Component{
			Name: c.Name, Status: string(c.Status), Detail: c.Detail(), Since: httpapi.Stamp(c.Since), Reasons: make([]httpapi.Reason, len(c.Reasons)),
		}
		for j, reason := range c.Reasons {
			part.Reasons[j] = httpapi.Reason{Code: reason.Code, Text: reason.Text, Status: string(reason.Status), Since: httpapi.Stamp(reason.Since)}
		}
		out.Components[i] = part
	}
	return out
}

// data gives the sizes of the data folder's parts, not older than sizesFor.
func (s *system) data(ctx context.Context) httpapi.DataInfo {
	s.mu.Lock()
	sizes, fresh := s.sizes, time.Since(s.sizedAt) < sizesFor
	s.mu.Unlock()
	if fresh {
		return sizes
	}
	sizes = httpapi.DataInfo{
		BlobsBytes: folderBytes(ctx, s.folder.blobs()), ResultsBytes: folderBytes(ctx, s.folder.results()),
		StoreBytes: folderBytes(ctx, s.folder.db()),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes, s.sizedAt = sizes, time.Now()
	return sizes
}

// folderBytes adds up the sizes of the files below a folder; what vanishes meanwhile does not count.
func folderBytes(ctx context.Context, dir string) int64 {
	_, sum := folderFiles(ctx, dir)
	return sum
}

func (s *system) memory() httpapi.MemoryInfo {
	var m httpapi.MemoryInfo
	m.ServerBytes, m.HostBytes = observe.Memory()
	for _, w := range s.pool.Stats().Workers {
		m.WorkersBytes += w.RSSBytes
	}
	return m
}

// kernel lists what confines the workers, and whether it is in effect.
func (s *system) kernel() []httpapi.KernelFeature {
	st := s.pool.Stats()
	c := st.Confinement
	detail := strings.Join(c.Missing, "; ")
	if !st.Confined {
		detail = "known once a worker has started"
	}
	return []httpapi.KernelFeature{
		{Name: "landlock", Active: c.LandlockABI > 0, Detail: strings.TrimPrefix(detail+"; ABI "+strconv.Itoa(c.LandlockABI), "; ")},
		{Name: "seccomp", Active: c.Seccomp, Detail: detail},
		{Name: "no_new_privs", Active: c.NoNewPrivs, Detail: detail},
		{Name: "not_dumpable", Active: c.NotDumpable, Detail: detail},
	}
}

// attach registers the parts with health and metrics.
func (a *appliance) attach(ctx context.Context) {
	a.watchHealth()
	a.metrics.Attach(a.sources(context.WithoutCancel(ctx))) // asked until the very end
}
