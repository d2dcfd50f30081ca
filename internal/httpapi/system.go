package httpapi

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"github.com/wayside-edge/wayside/internal/errcode"
)

// System tells how the appliance is.
type System interface {
	Info(ctx context.Context) SystemInfo
	Limits() []Limit // all of the configuration in effect
	Health(ctx context.Context) Health
}

// Health is the state of the appliance and its parts.
type Health struct {
	Ready      bool // it can take work; plugins that still compile do not count
	Components []Component
}

// Component is a part of the appliance on the wire.
type Component struct {
	Name   string `json:"name"`
	Status string `json:"status" enum:"healthy,degraded,unhealthy"`
	Since  Stamp  `json:"since" doc:"of the status"`
	Detail string `json:"detail" doc:"the reasons in one line; may be empty"`
	// Reasons are never nil.
	Reasons []Reason `json:"reasons" nullable:"false" doc:"what is wrong or noteworthy, the worst first"`
}

// Reason says why a part is as it is, on the wire.
type Reason struct {
	Code   string `json:"code" doc:"one of those that docs/observability.md lists"`
	Text   string `json:"text" doc:"for people"`
	Status string `json:"status" enum:"healthy,degraded,unhealthy" doc:"what it makes of the part; healthy: it is only noteworthy"`
	Since  Stamp  `json:"since"`
}

// SystemInfo is what the appliance is and uses, on the wire. Sizes are bytes.
type SystemInfo struct {
	Version       string          `json:"version"`
	Build         BuildInfo       `json:"build"`
	StartedAt     Stamp           `json:"started_at"`
	UptimeSeconds float64         `json:"uptime_seconds"`
	Data          DataInfo        `json:"data"`
	Disk          DiskInfo        `json:"disk"`
	Memory        MemoryInfo      `json:"memory"`
	Limits        LimitsInfo      `json:"limits"`
	Kernel        []KernelFeature `json:"kernel" nullable:"false" doc:"features of the kernel, and whether they are in use"`
}

// BuildInfo says what was built, on the wire.
type BuildInfo struct {
	GoVersion string `json:"go_version"`
	Revision  string `json:"revision" doc:"of the source; empty if unknown"`
	OS        string `json:"os"`
	Arch      string `json:"arch"`
}

// DataInfo says what the data folder holds, on the wire, as it was found last: some seconds ago, some minutes where there is much.
type DataInfo struct {
	Files        *int64 `json:"files" doc:"null: they were not counted yet"`
	Decodes      *int64 `json:"decodes" doc:"null: they were not counted yet"`
	BlobsBytes   int64  `json:"blobs_bytes"`
	ResultsBytes int64  `json:"results_bytes"`
	StoreBytes   int64  `json:"store_bytes"`
}

// DiskInfo is the disk of the data folder, on the wire.
type DiskInfo struct {
	TotalBytes   int64 `json:"total_bytes"`
	FreeBytes    int64 `json:"free_bytes"`
	ReserveBytes int64 `json:"reserve_bytes" doc:"below this nothing new is stored"`
	Full         bool  `json:"full"`
}

// MemoryInfo is the memory of the appliance, on the wire.
type MemoryInfo struct {
	ServerBytes  int64 `json:"server_bytes"`
	WorkersBytes int64 `json:"workers_bytes"`
	HostBytes    int64 `json:"host_bytes"`
}

// LimitsInfo is what the appliance is limited to, on the wire. 0 is no limit.
type LimitsInfo struct {
	MaxUploadBytes int64   `json:"max_upload_bytes"`
	DecodeWorkers  int     `json:"decode_workers"`
	All            []Limit `json:"all,omitempty" nullable:"false" doc:"every key of the configuration that is an amount; only with limits=true. A value that was set over the API or with CONFIG SET of the Redis-protocol server holds instead."`
}

// Limit is a key of the configuration that is an amount, on the wire.
type Limit struct {
	Key    string  `json:"key"`
	Value  string  `json:"value" doc:"as it would be written in the file"`
	Number float64 `json:"number" doc:"of the value, in its unit"`
	Unit   string  `json:"unit" enum:"bytes,seconds,percent,number" doc:"number: a count, a factor or a rate"`
	Source string  `json:"source" enum:"default,file,environment,flag"`
	Live   bool    `json:"live" doc:"a reload of the configuration applies it without a restart"`
	Doc    string  `json:"doc" doc:"what it means; parts in backquotes are keys, values and paths"`
}

// KernelFeature is a feature of the kernel, on the wire.
type KernelFeature struct {
	Name   string `json:"name"`
	Active bool   `json:"active" doc:"in effect for the workers"`
	Detail string `json:"detail"`
}

// healthAnswer is Health on the wire.
type healthAnswer struct {
	Status     string      `json:"status"` // ok or not_ready, shutting_down
	Version    string      `json:"version"`
	Components []Component `json:"components"`
}

type systemInput struct {
	Limits bool `query:"limits" doc:"also all limits of the configuration in effect, in limits.all"`
}

type systemOutput struct{ Body SystemInfo }

func (s *Server) routeSystem(api huma.API) {
	register(s, api, operation{
		id: "get-system", method: http.MethodGet, path: "/system", scope: scopeRead,
		summary: "Version, build, uptime, data folder, disk, memory, limits, kernel features",
	}, func(ctx context.Context, in *systemInput) (*systemOutput, error) {
		info := s.deps.System.Info(ctx)
		if in.Limits {
			info.Limits.All = s.deps.System.Limits()
		}
		if info.Kernel == nil {
			info.Kernel = []KernelFeature{}
		}
		return &systemOutput{Body: info}, nil
	})
	s.show("/health", scopeOpen, s.serveHealth)
	s.show("/health/live", scopeOpen, s.serveLive)
	s.show("/health/ready", scopeOpen, s.serveReady)
}

// serveLive says that the process answers, nothing more.
func (s *Server) serveLive(c echo.Context) error {
	return s.sendHealth(c, healthAnswer{Status: "ok", Version: s.cfg.Version, Components: []Component{}})
}

// serveHealth shows the parts; it is 200 as long as the process answers.
func (s *Server) serveHealth(c echo.Context) error {
	h := s.health(c)
	a := healthAnswer{Status: "ok", Version: s.cfg.Version, Components: h.Components}
	if !h.Ready {
		a.Status = "not_ready"
	}
	if s.draining() {
		a.Status = "shutting_down"
	}
	return s.sendHealth(c, a)
}

// serveReady is 200 when the appliance takes work, else 503 with the parts.
func (s *Server) serveReady(c echo.Context) error {
	h := s.health(c)
	var err error
	switch {
	case s.draining():
		err = errClosed
	case !h.Ready:
		err = errcode.New(errcode.Unavailable, "the appliance is not ready")
	default:
		return s.sendHealth(c, healthAnswer{Status: "ok", Version: s.cfg.Version, Components: h.Components})
	}
	p := problemOf(c.Request(), err)
	p.Components = h.Components
	s.writeProblem(c.Response(), c.Request(), p)
	return nil
}

func (s *Server) health(c echo.Context) Health {
	h := s.deps.System.Health(c.Request().Context())
	if h.Components == nil {
		h.Components = []Component{}
	}
	return h
}

func (s *Server) sendHealth(c echo.Context, a healthAnswer) error {
	body, err := jsonBytes(a)
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	s.sendBytes(c, http.StatusOK, "application/json", body)
	return nil
}
