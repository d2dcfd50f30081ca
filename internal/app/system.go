package app

import (
	"context"
	goruntime "runtime"
	"strconv"
	"strings"
	"time"

	"github.com/wayside-edge/wayside/internal/httpapi"
	"github.com/wayside-edge/wayside/internal/observe"
)

func goVersion() string { return goruntime.Version() }

// system answers what the appliance is and how it does.
type system struct{ *appliance }

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

// Limits tells what the configuration in effect limits.
func (s *system) Limits() []httpapi.Limit {
	list := s.cfg.Limits(s.reloaded.Load())
	out := make([]httpapi.Limit, len(list))
	for i, l := range list {
		out[i] = httpapi.Limit(l)
	}
	return out
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

// data gives what the background found of the data folder last. Before its first look the folder is walked for whoever asks.
func (s *system) data(ctx context.Context) httpapi.DataInfo {
	found := s.sizes.data()
	if !found.Known {
		return httpapi.DataInfo{
			BlobsBytes: folderBytes(ctx, s.folder.blobs()), ResultsBytes: folderBytes(ctx, s.folder.results()),
			StoreBytes: folderBytes(ctx, s.folder.db()),
		}
	}
	info := httpapi.DataInfo{BlobsBytes: found.BlobBytes, ResultsBytes: found.ResultBytes, StoreBytes: found.StoreBytes}
	if found.Records != nil {
		files, decodes := found.Records["file"], found.Records["decode"]
		info.Files, info.Decodes = &files, &decodes
	}
	return info
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
